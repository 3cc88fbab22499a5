// One method call that is being written. The first thing that does not fit is kept as its status.
#pragma once
#include <systemd/sd-bus.h>

#include <cerrno>

#include "names.hpp"
#include "pump.hpp"

namespace bleconn {

class Request {
 public:
  // A method of Manager1.
  Request(sd_bus* bus, const char* member) : Request{bus, kDaemon, kRoot, kManager, member} {}
  Request(sd_bus* bus, const char* to, const char* path, const char* interface, const char* member) {
    sd_bus_message* made{};
    note(sd_bus_message_new_method_call(bus, &made, to, path, interface, member));
    message_.reset(made);
  }

  template <class... Arguments>
  Request& add(const char* types, Arguments... arguments) {
    if (status_ >= 0) note(sd_bus_message_append(message_.get(), types, arguments...));
    return *this;
  }
  Request& open(char type, const char* contents) {
    if (status_ >= 0) note(sd_bus_message_open_container(message_.get(), type, contents));
    return *this;
  }
  Request& close() {
    if (status_ >= 0) note(sd_bus_message_close_container(message_.get()));
    return *this;
  }

  sd_bus_message* message() const { return message_.get(); }
  int status() const { return status_; }  // 0, or -errno

 private:
  void note(int result) {
    if (result < 0) status_ = result;
  }
  Message message_;
  int status_ = 0;
};

// Why a request could not be sent.
inline Error not_sent(int status) {
  if (status == -EINVAL || status == -EBADMSG)  // a string that the bus does not take
    return {Category::invalid_args, "invalid: a text with a zero or that is not UTF-8; bleconnd takes none"};
  return bus_lost(status);
}

}  // namespace bleconn
