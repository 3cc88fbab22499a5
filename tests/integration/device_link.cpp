// What happens on the link of a device object: replies, services, loss, Disconnect.
// Orders of signals and replies are those of BlueZ 5.66; 5.79 and 5.83 changed Disconnect.
#include "adapter.hpp"
#include "device.hpp"

namespace bleconnd::integration {
void Device::link_up() {
  steps_.clear();
  connected_ = true;
  temporary_timer_.cancel();
  peripheral_.link_ = this;
  if (step_.silent)
    core_.objects.set_quietly(path_, "org.bluez.Device1", "Connected", true);
  else
    set("Connected", true);
  show_mtu(true);
  if (connecting_) script_the_link();
}

void Device::script_the_link() {
  const BluezTiming& timing = core_.settings.timing;
  if (step_.drops_at_once) {
    step_after(timing.reply_after_link, [this] {
      const bool named = core_.settings.version.named_connection_errors();
      const std::string early = named ? "br-connection-canceled" : "Disconnected early";
      fail_connect(failed, step_.aborts_with_link ? abort_text() : early);
      step_after(core_.settings.timing.reply_after_link, [this] { link_lost(LinkEnd::remote); });
    });
    return;
  }
  step_after(timing.reply_after_link + step_.extra_reply_delay, [this] { answer_connect(); });
  if (step_.drop_after) step_after(*step_.drop_after, [this] { link_lost(LinkEnd::remote); });
  if (step_.services == ConnectStep::Services::natural) {
    step_after(exported_.empty() ? timing.discover_services : timing.reread_services,
               [this] { discover_services(); });
  }
  if (step_.services == ConnectStep::Services::mute) {
    step_after(timing.att_timeout, [this] {
      resolved_ = true;
      set("ServicesResolved", true);
    });
    step_after(timing.att_timeout + timing.mute_drop, [this] { link_lost(LinkEnd::local); });
  }
}

void Device::answer_connect() {
  connecting_ = false;
  core_.answer(std::exchange(connect_call_, {}));
}

void Device::disconnect(Message call) {
  if (pairing_) fail_pairing("org.bluez.Error.AuthenticationCanceled", "Authentication Canceled");
  if (connecting_) {
    const bool named = core_.settings.version.named_connection_errors();
    const std::string text = named ? "br-connection-canceled" : "Cancelled";
    if (connected_) {  // the link is up, the reply was not sent yet
      connecting_ = false;
      core_.fail(std::exchange(connect_call_, {}), failed, text);
    } else {
      fail_connect(failed, text);
    }
  }
  if (!connected_) {
    stop_dialling();
    return core_.answer(call);
  }
  disconnect_calls_.push_back(std::move(call));
  if (disconnect_calls_.size() > 1) return;
  disconnect_step_ = core_.after(core_.settings.timing.disconnect, [this] { take_link_down(); });
}

void Device::take_link_down() {
  steps_.clear();
  if (core_.settings.version.disconnect_replies_last()) return link_lost(LinkEnd::local);
  resolved_ = false;
  set("ServicesResolved", false);
  core_.objects.flush();
  for (const auto& call : std::exchange(disconnect_calls_, {})) core_.answer(call);
  if (core_.settings.cache == GattCache::no && !paired_) unexport_all();
  disconnect_step_ =
      core_.after(core_.settings.timing.connected_false, [this] { link_lost(LinkEnd::local); });
}

void Device::link_lost(LinkEnd end) {
  if (!connected_) return;
  if (core_.settings.version.signals_disconnect_reason()) {
    const std::vector<Value> reasons[] = {
        {std::string{"org.bluez.Reason.Local"}, std::string{"Connection terminated by local host"}},
        {std::string{"org.bluez.Reason.Remote"}, std::string{"Connection terminated by remote user"}},
        {std::string{"org.bluez.Reason.Timeout"}, std::string{"Connection timeout"}}};
    core_.emit(path_, "org.bluez.Device1", "Disconnected", reasons[static_cast<std::size_t>(end)]);
  }
  if (connecting_) fail_connect(failed, {});
  const bool drops_early = step_.objects_after_drop && !resolved_;
  stop_dialling();
  if (drops_early) {
    export_services();
    set("UUIDs", service_uuids(peripheral_.services));
    core_.objects.set_quietly(path_, "org.bluez.Device1", "ServicesResolved", true);  // was never told
  }
  if (resolved_ && !disconnect_calls_.empty()) {  // an ordered end, 5.79 and later: two signals
    set("ServicesResolved", false);
    core_.objects.flush();
  }
  clear_link();
  for (const auto& call : std::exchange(disconnect_calls_, {})) core_.answer(call);
  fail_pairing("org.bluez.Error.AuthenticationCanceled", "Authentication Canceled");
  become_temporary();
}

void Device::clear_link() {
  disconnect_step_.cancel();
  connected_ = false;
  resolved_ = false;
  peripheral_.link_ = nullptr;
  show_mtu(false);
  if (core_.settings.cache == GattCache::no) {
    unexport_all();
    if (!paired_) set("UUIDs", std::vector<std::string>{});
  }
  set("ServicesResolved", false);
  set("Connected", false);
}

}  // namespace bleconnd::integration
