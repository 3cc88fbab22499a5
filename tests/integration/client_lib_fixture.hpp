// For the tests of libbleconn against the real daemon. The scripted BlueZ runs on the test's loop, the
// library on its own thread, so blocking forms are called from threads of the test.
#pragma once
#include <future>
#include <optional>

#include "bleconn/bleconn.hpp"
#include "daemon_sharing_fixture.hpp"
#include "device.hpp"

namespace bleconnd::integration {

using namespace std::chrono_literals;

class ClientLib : public SharingFixture {
 protected:
  void SetUp() override {
    setenv("DBUS_SYSTEM_BUS_ADDRESS", world.bus.address().c_str(), 1);
    ASSERT_NO_FATAL_FAILURE(start(linger(0)));
    ASSERT_NO_THROW(program.emplace());
  }
  void TearDown() override {
    program.reset();
    SharingFixture::TearDown();
  }

  template <class T>
  bool comes(const std::future<T>& future) {
    return world.until([&] { return future.wait_for(0s) == std::future_status::ready; });
  }
  // What a blocking call returns or throws, while the test's loop goes on.
  template <class F>
  auto in_thread(F call) {
    auto future = std::async(std::launch::async, std::move(call));
    EXPECT_TRUE(comes(future));
    return future.get();
  }
  bleconn::Connection connected(const bleconn::Options& options = {}) {
    return in_thread([&] { return program->establish(kLamp, options); });
  }
  static bleconn::Options quick() {
    bleconn::Options options;
    options.attempt_timeout = 1s;
    options.max_attempts = 2;
    return options;
  }
  std::optional<bleconn::Error> error_of(const bleconn::Options& options) {
    return in_thread([&]() -> std::optional<bleconn::Error> {
      try {
        program->establish(kLamp, options);
      } catch (const bleconn::Error& error) {
        return error;
      }
      return std::nullopt;
    });
  }
  void restart_without_the_link() {
    end_daemon();
    lamp.drop_link();
    start_again(linger(0));
  }
  bool link_ends() {
    return world.until([&] { return !lamp.connected(); });
  }

  std::optional<bleconn::Client> program;
};

}  // namespace bleconnd::integration
