# D-Bus for the scenarios: one client per program that is played, and a monitor that writes what passed into the log.
# Values come back as plain Python: variants are taken off.
import asyncio
from collections import Counter, namedtuple

from dbus_fast import BusType, Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus

BUS = "org.freedesktop.DBus"
PROPERTIES = "org.freedesktop.DBus.Properties"
BLUEZ = "org.bluez"
BLECONND = "org.bleconnd"
MANAGER = "org.bleconnd.Manager1"
DEVICE = "org.bleconnd.Device1"
ADAPTER = "org.bleconnd.Adapter1"
OPTION_TYPES = {
    "timeout": "u",
    "attempt-timeout": "u",
    "max-attempts": "u",
    "adapter": "s",
    "required-uuids": "as",
    "pair": "b",
    "maintain": "b",
    "wait": "b",
    "trust": "b",
    "label": "s",
    "use-services-cache": "b",
    "lifetime": "s",
    "priority": "s",
}

Reply = namedtuple("Reply", "error body")


def plain(value):
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.hex() if isinstance(value, (bytes, bytearray)) else value


def typed(options):
    """Options of EstablishConnection, as the bus has them."""
    return {name: Variant(OPTION_TYPES[name], value) for name, value in options.items()}


class Client:
    """One program on the system bus."""

    def __init__(self, connection):
        self.connection = connection

    @classmethod
    async def connect(cls):
        return cls(await MessageBus(bus_type=BusType.SYSTEM).connect())

    def leave(self):
        self.connection.disconnect()

    async def call(self, destination, path, interface, member, signature="", *body, timeout=60):
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
            flags=MessageFlag.NO_AUTOSTART,
        )
        reply = await asyncio.wait_for(self.connection.call(message), timeout)
        error = reply.error_name if reply.message_type is MessageType.ERROR else ""
        return Reply(error, plain(reply.body))

    async def has_owner(self, name):
        return (await self.call(BUS, "/org/freedesktop/DBus", BUS, "NameHasOwner", "s", name)).body[0]

    async def bluez(self, path, interface, member, signature="", *body, timeout=60):
        return await self.call(BLUEZ, path, "org.bluez." + interface, member, signature, *body, timeout=timeout)

    async def get(self, path, interface, name):
        """A property of BlueZ, None where there is none."""
        reply = await self.call(BLUEZ, path, PROPERTIES, "Get", "ss", "org.bluez." + interface, name)
        return None if reply.error else reply.body[0]

    async def set(self, path, interface, name, signature, value):
        value = Variant(signature, value)
        return await self.call(BLUEZ, path, PROPERTIES, "Set", "ssv", "org.bluez." + interface, name, value)

    async def objects(self, destination=BLUEZ, path="/"):
        reply = await self.call(destination, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        return {} if reply.error else reply.body[0]

    async def told(self, member):
        """From now on, the paths that the daemon sends this signal from: a list that grows."""
        paths = []

        def on_message(message):
            if message.message_type is MessageType.SIGNAL and message.member == member:
                paths.append(message.path)

        self.connection.add_message_handler(on_message)
        rule = f"type='signal',sender='{BLECONND}',member='{member}'"
        await self.call(BUS, "/org/freedesktop/DBus", BUS, "AddMatch", "s", rule)
        return paths

    async def manager(self, member, signature="", *body, timeout=120):
        return await self.call(BLECONND, "/org/bleconnd", MANAGER, member, signature, *body, timeout=timeout)


class Monitor:
    """Writes the traffic of org.bluez and org.bleconnd into the log, a line each."""

    def __init__(self, log):
        self.log = log
        self.names = {}
        self.own = set()  # unique names of the scenarios' clients
        self.forget()

    def forget(self):
        self.errors = []  # what BlueZ or the daemon refused
        self.connects = []  # paths that Device1.Connect was called on, by anybody
        self.connecting = {}  # calls of it that are not answered yet: their adapters
        self.most_connecting = Counter()  # the most of these at a time, by adapter

    async def start(self):
        self.connection = await MessageBus(bus_type=BusType.SYSTEM).connect()
        rules = [f"{end}='{name}'" for name in (BLUEZ, BLECONND) for end in ("sender", "destination")]
        rules.append(f"type='signal',sender='{BUS}',member='NameOwnerChanged'")
        self.connection.add_message_handler(self.on_message)
        become = Message(
            destination=BUS,
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus.Monitoring",
            member="BecomeMonitor",
            signature="asu",
            body=[rules, 0],
        )
        self.monitoring = False
        await self.connection.call(become)
        self.monitoring = True

    def is_look(self, message):
        """The scenarios' own looks at BlueZ: they come by the hundred and show nothing that the log lacks."""
        if message.message_type is MessageType.METHOD_CALL and message.sender in self.own:
            return message.interface in (PROPERTIES, "org.freedesktop.DBus.ObjectManager") and message.member != "Set"
        answer = message.message_type in (MessageType.METHOD_RETURN, MessageType.ERROR)
        return answer and message.destination in self.own and message.signature in ("v", "a{oa{sa{sv}}}")

    def follow_connects(self, message):
        if message.message_type is not MessageType.METHOD_CALL:
            self.connecting.pop((message.destination, message.reply_serial), None)
        elif (message.interface, message.member) == ("org.bluez.Device1", "Connect"):
            adapter = message.path.split("/")[3]
            self.connects.append(message.path)
            self.connecting[message.sender, message.serial] = adapter
            self.most_connecting[adapter] = max(self.most_connecting[adapter], list(self.connecting.values()).count(adapter))

    def name(self, unique):
        return self.names.get(unique, unique)

    def on_message(self, message):
        if not self.monitoring:
            return False
        if message.member == "NameOwnerChanged":
            name, _, owner = message.body
            if not name.startswith(":"):
                self.names[owner] = name
        self.follow_connects(message)
        route = f"{self.name(message.sender)} → {self.name(message.destination) or 'all'}"
        if self.is_look(message):
            return True
        body = plain(message.body)
        if message.message_type is MessageType.METHOD_CALL:
            text = f"call {message.serial} {message.path} {message.interface}.{message.member} {body}"
        elif message.message_type is MessageType.SIGNAL:
            text = f"signal {message.path} {message.member} {body}"
        elif message.message_type is MessageType.ERROR:
            text = f"{message.error_name} to {message.reply_serial} {body}"
            self.errors.append(text)
        else:
            text = f"return to {message.reply_serial} {body}"
        self.log("bus", route, text if len(text) <= 600 else text[:600] + " …")
        return True  # a monitor may not answer
