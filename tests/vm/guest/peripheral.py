# One scripted LE peripheral: what it advertises, how it answers a dial, and the ATT server behind its link.
# Each knob is one fault of real life: it goes silent, drops its links, or never answers.
import math
import struct
import time

PRIMARY_SERVICE, CHARACTERISTIC, CLIENT_CONFIGURATION = 0x2800, 0x2803, 0x2902
READ, WRITE, NOTIFY, INDICATE = 0x02, 0x08, 0x10, 0x20

# A vendor service as sensors of the trade have them: the one that the scenarios look for.
SERVICE_UUID = "cba20d00-224d-11e6-9fb8-0002a5d5c51b"
CHARACTERISTIC_UUID = "cba20002-224d-11e6-9fb8-0002a5d5c51b"

# Services as (UUID, characteristics), those as (UUID, properties, value).
GAP = (0x1800, [(0x2A00, READ, b"Scripted"), (0x2A01, READ, b"\0\0")])
SERVICE_CHANGED = (0x1801, [(0x2A05, INDICATE, b"")])
VENDOR = (SERVICE_UUID, [(CHARACTERISTIC_UUID, READ | NOTIFY, b"hello")])
SMALL = [GAP, SERVICE_CHANGED, VENDOR]

ADVERTISING_INTERVAL = 0.1  # seconds


def uuid_bytes(uuid):
    if isinstance(uuid, int):
        return struct.pack("<H", uuid)
    return bytes(reversed(bytes.fromhex(uuid.replace("-", ""))))


class Attribute:
    def __init__(self, handle, uuid, value):
        self.handle, self.uuid, self.value = handle, uuid_bytes(uuid), value
        self.end = handle


def gatt_database(services):
    """The attributes of services, with handles from 1 without gaps."""
    attributes = []

    def add(uuid, value):
        attributes.append(Attribute(len(attributes) + 1, uuid, value))
        return attributes[-1]

    for service_uuid, characteristics in services:
        service = add(PRIMARY_SERVICE, uuid_bytes(service_uuid))
        for uuid, properties, value in characteristics:
            value_handle = len(attributes) + 2
            add(CHARACTERISTIC, struct.pack("<BH", properties, value_handle) + uuid_bytes(uuid))
            add(uuid, value)
            if properties & (NOTIFY | INDICATE):
                add(CLIENT_CONFIGURATION, b"\0\0")
        service.end = len(attributes)
    return attributes


class Peripheral:
    MTU = 247

    def __init__(self, address, services=SMALL):
        self.address = address
        self.raw_address = bytes(reversed(bytes.fromhex(address.replace(":", ""))))
        self.name = "Scripted"
        self.interval = ADVERTISING_INTERVAL
        self.database = gatt_database(services)
        # faults
        self.advertising = True
        self.answers_dial = True  # False: the controller hears it, and the link never comes
        self.mute = False  # True: no ATT answer at all
        self.drops = 0  # so many links are dropped by the peer, drop_after seconds after they came up
        self.drop_after = 0.05
        # what happened
        self.dials = 0
        self.links = 0
        self.requests = 0  # of ATT
        self.discoveries = 0  # of a service's characteristics: BlueZ asks for them only where it has no copy
        self.began = time.monotonic()
        self.hearers = []  # controllers

    def is_linked(self):
        """A device with a link advertises no more, and answers no other dial."""
        return any(self in controller.links.values() for controller in self.hearers)

    def characteristic_path(self, device_path, uuid):
        """Where BlueZ has it: handle of the service, handle of the characteristic's declaration."""
        value = next(attribute.handle for attribute in self.database if attribute.uuid == uuid_bytes(uuid))
        service = max(attribute.handle for attribute in self.database
                      if attribute.uuid == uuid_bytes(PRIMARY_SERVICE) and attribute.handle < value)
        return f"{device_path}/service{service:04x}/char{value - 1:04x}"

    def next_event(self, now):
        """When it advertises next: it does not know who listens."""
        return self.began + (math.floor((now - self.began) / self.interval) + 1) * self.interval

    def advertising_data(self):
        name = self.name.encode()
        return b"\x02\x01\x06" + bytes([len(name) + 1, 9]) + name

    def answer(self, request):
        """The ATT answer to one request, or None for commands."""
        opcode = request[0]
        self.requests += 1
        if opcode == 0x02:
            return struct.pack("<BH", 0x03, self.MTU)
        if opcode == 0x04:
            return self.find_information(*struct.unpack("<HH", request[1:5]))
        if opcode == 0x06:
            return self.find_by_type_value(*struct.unpack("<HH", request[1:5]), request[5:7], request[7:])
        if opcode in (0x08, 0x10):
            return self.read_by_type(opcode, *struct.unpack("<HH", request[1:5]), request[5:])
        if opcode in (0x0A, 0x0C):
            return self.read(opcode, *struct.unpack("<H", request[1:3]), request[3:5])
        if opcode == 0x12:
            return b"\x13"
        if opcode in (0x1E, 0x52):
            return None
        return self.error(opcode, 0, 0x06)

    @staticmethod
    def error(opcode, handle, code):
        return struct.pack("<BBHB", 0x01, opcode, handle, code)

    def find_information(self, first, last):
        found, size = b"", None
        for attribute in self.database:
            if first <= attribute.handle <= last:
                size = size or len(attribute.uuid)
                if len(attribute.uuid) != size or len(found) + size > self.MTU - 4:
                    break
                found += struct.pack("<H", attribute.handle) + attribute.uuid
        return bytes([0x05, 1 if size == 2 else 2]) + found if found else self.error(0x04, first, 0x0A)

    def find_by_type_value(self, first, last, uuid, value):
        found = b"".join(
            struct.pack("<HH", attribute.handle, attribute.end)
            for attribute in self.database
            if first <= attribute.handle <= last and attribute.uuid == uuid and attribute.value == value
        )
        return b"\x07" + found if found else self.error(0x06, first, 0x0A)

    def read_by_type(self, opcode, first, last, uuid):
        found, size = b"", None
        if uuid == uuid_bytes(CHARACTERISTIC):
            self.discoveries += 1
        for attribute in self.database:
            if not first <= attribute.handle <= last or attribute.uuid != uuid:
                continue
            end = struct.pack("<H", attribute.end) if opcode == 0x10 else b""
            entry = struct.pack("<H", attribute.handle) + end + attribute.value
            size = size or len(entry)
            if len(entry) != size or len(found) + size > self.MTU - 2:
                break
            found += entry
        return bytes([opcode + 1, size]) + found if found else self.error(opcode, first, 0x0A)

    def read(self, opcode, handle, raw_offset):
        offset = struct.unpack("<H", raw_offset)[0] if opcode == 0x0C else 0
        for attribute in self.database:
            if attribute.handle == handle:
                return bytes([opcode + 1]) + attribute.value[offset : offset + self.MTU - 1]
        return self.error(opcode, handle, 0x01)
