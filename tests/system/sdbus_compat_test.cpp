// sdbus_compat.hpp: an object of ours made from a generated adaptor, on the connection that BluezBus uses
// too. Built with every sdbus-c++ that the project supports.
#include "bluez_bus_fixture.hpp"
#include "cache_stage.hpp"
#include "probe_adaptor.hpp"
#include "service/reply.hpp"

namespace bleconnd::integration {
namespace {

class Probe final
    : public sdbus::AdaptorInterfaces<org::example::Probe1_adaptor, sdbus::ObjectManager_adaptor> {
 public:
  Probe(sdbus::IConnection& connection, ClientWatch& clients)
      : AdaptorInterfaces{connection, sdbus::ObjectPath{"/probe"}}, clients_{clients} {
    registerAdaptor();
  }
  ~Probe() { unregisterAdaptor(); }
  void change() {
    getObject().emitPropertiesChangedSignal(bus::interface_name(org::example::Probe1_adaptor::INTERFACE_NAME),
                                            {bus::PropertyName{"Level"}});
  }
  std::vector<sdbus::Result<>> refused;
  LogLines log;

 private:
  void WhoAmI(sdbus::Result<std::string, std::uint32_t>&& result) override {
    const auto& call = bus::current_message(getObject());
    result.returnResults(bus::sender_of(call), clients_.uid(call));
  }
  void Refuse(sdbus::Result<>&& result, std::map<std::string, sdbus::Variant>) override {
    refused.push_back(std::move(result));
  }
  void Where(sdbus::Result<sdbus::ObjectPath>&& result, std::string how) override {
    bleconnd::Reply<sdbus::ObjectPath> reply{std::move(result), log, "Where"};
    const BusMessage call{bus::current_call(getObject())};
    if (how == "answer") return reply.answer(sdbus::ObjectPath{"/org//bluez"});
    if (how == "made")
      return reply.answer_made([]() -> std::tuple<sdbus::ObjectPath> { throw bus::error("a.b", "no"); });
    reply.answer_written(call.get(), "o", [&](sd_bus_message* to) {
      if (how == "open") sd_bus_message_open_container(to, 'a', "s");
      return sd_bus_message_append_basic(to, 'o', how == "sound" ? "/org/bluez" : "/org//bluez");
    });
  }
  std::string Level() override { return "low"; }
  ClientWatch& clients_;
};

TEST_F(BluezBusTest, OurObjectsBesideBluez) {
  ClientWatch clients{*side.connection, side.journal};
  side.connection->requestName(bus::ServiceName{"org.bleconnd"});
  fake.add_adapter();
  fake.start();
  begin();
  auto& root = world.client();
  auto& other = world.client(nobody);
  const auto name = other.unique_name();
  const CallTarget target{side.name(), "/probe", "org.example.Probe1"};
  {
    Probe probe{*side.connection, clients};
    auto mine = root.call(target, "WhoAmI");
    ASSERT_TRUE(until([&] { return mine->done; }));
    EXPECT_EQ(mine->outcome(), "ok");
    EXPECT_EQ(mine->arguments, (nlohmann::json{root.unique_name(), getuid()}));
    auto again = root.call(target, "WhoAmI");
    ASSERT_TRUE(until([&] { return again->done; }));
    EXPECT_EQ(again->arguments, mine->arguments);
    auto refused = root.call(target, "Refuse", {Argument{Dictionary{{"k", true}}}});
    ASSERT_TRUE(until([&] { return !probe.refused.empty(); }));
    probe.refused.back().returnError(bus::error("org.bleconnd.Error.Busy", "busy: x"));
    probe.refused.clear();
    ASSERT_TRUE(until([&] { return refused->done; }));
    EXPECT_EQ(refused->error, "org.bleconnd.Error.Busy");
    EXPECT_EQ(refused->message, "busy: x");
    probe.change();
    auto level = root.get(target, "Level");
    ASSERT_TRUE(until([&] { return level->done; }));
    EXPECT_EQ(level->arguments, nlohmann::json{"low"});
  }
  EXPECT_EQ(bus::id(*side.connection).size(), 32u);
  std::string gone;
  clients.on_left([&](const std::string& left) { gone = left; });
  other.leave();
  ASSERT_TRUE(until([&] { return gone == name; }));
}

// Its caller would wait for the time-out of its library.
TEST_F(BluezBusTest, AnAnswerThatCannotBeWrittenIsAnErrorAndIsLogged) {
  ClientWatch clients{*side.connection, side.journal};
  side.connection->requestName(bus::ServiceName{"org.bleconnd"});
  fake.start();
  begin();
  auto& client = world.client();
  const CallTarget target{side.name(), "/probe", "org.example.Probe1"};
  Probe probe{*side.connection, clients};
  std::size_t said = 0;
  for (const std::string how : {"answer", "made", "written", "open"}) {
    const auto reply = client.call(target, "Where", {Argument{how}});
    ASSERT_TRUE(until([&] { return reply->done; })) << how;
    EXPECT_EQ(reply->error, "org.freedesktop.DBus.Error.Failed") << how;
    EXPECT_EQ(reply->message.find("internal: the answer cannot be written ("), 0u) << reply->message;
    EXPECT_EQ(probe.log.count("Where: the answer cannot be written: "), ++said) << how;
  }
  const auto sound = client.call(target, "Where", {Argument{std::string{"sound"}}});
  ASSERT_TRUE(until([&] { return sound->done; }));
  EXPECT_EQ(sound->arguments, nlohmann::json{"/org/bluez"});
  EXPECT_EQ(probe.log.lines.size(), said);
}

}  // namespace
}  // namespace bleconnd::integration
