# A scripted LE controller: it answers the kernel's HCI commands, so any status, lost link or unplug can be made.
# It hears the peripherals that were added to it, and no others.
import asyncio
import os
import random
import struct
import time

from pairing import Pairing
from vhci import ACL, SUCCESS, Vhci

ATT_CHANNEL, SMP_CHANNEL = 4, 6
LE_RANDOM_ADDRESS = 1

CREATE_CONNECTION = 0x200D
NO_CONNECTION, COMMAND_DISALLOWED, LIMITED_RESOURCES = 0x02, 0x0C, 0x0D
REMOTE_TERMINATED, LOCAL_TERMINATED = 0x13, 0x16

INTERVAL_UNIT = 0.00125  # seconds
LINK_TIME = 0.01  # from the advertisement that is answered to the link; no real one is faster
LE_FEATURES = bytes([0x01]) + bytes(7)  # encryption only


def supported_commands():
    """The fewest that Linux 6.12 needs to treat this as an LE 4.0 controller."""
    bits = bytearray(64)
    bits[0], bits[5], bits[14] = 0x20, 0xC0, 0xA8
    bits[25:29] = b"\xff\xff\xff\x07"
    return bytes(bits)


class Controller(Vhci):
    def __init__(self, address, log, slots=None):
        super().__init__(lambda *text: log("controller", address[-2:], *text))
        self.address = address
        self.raw_address = bytes(reversed(bytes.fromhex(address.replace(":", ""))))
        self.slots = slots
        self.connection_interval = 12  # units
        self.peripherals = {}
        self.next_reports = {}  # by peripheral
        self.links = {}
        self.pairings = {}
        self.next_handle = 0x40
        self.dialling = None
        self.scanning = self.active_scan = self.only_accepted = False
        self.accepted = set()
        self.advertiser = None

    def add(self, peripheral):
        self.peripherals[peripheral.raw_address] = peripheral
        self.next_reports[peripheral] = time.monotonic()
        peripheral.hearers.append(self)

    async def plug(self):
        await super().plug()
        self.advertiser = asyncio.create_task(self.advertise())

    def unplug(self):
        super().unplug()
        self.advertiser.cancel()
        self.links.clear()
        self.dialling = None
        self.scanning = False

    @property
    def answer_time(self):
        """Of the peer: what is asked in one connection interval is answered in the next."""
        return self.connection_interval * INTERVAL_UNIT

    def at_rest(self):
        return not self.links and self.dialling is None and not self.scanning

    # ---- commands

    def command(self, opcode, data):
        ok = bytes([SUCCESS])
        answers = {
            0x1001: ok + struct.pack("<BHBHH", 8, 0, 8, 0x003F, 0),  # local version: 4.2
            0x1002: ok + supported_commands(),
            0x1003: ok + bytes([0, 0, 0, 0, 0x60, 0, 0, 0]),  # features: LE, no BR/EDR
            0x1009: ok + self.raw_address,
            0x2002: ok + struct.pack("<HB", 251, 16),  # LE buffers
            0x2003: ok + LE_FEATURES,
            0x200F: ok + bytes([8]),  # size of the accept list
            0x201C: ok + b"\xff" * 6 + b"\x03\0",  # LE states
            0x202A: ok + bytes([0]),  # size of the resolving list
            0x1405: ok + data[:2] + bytes([0xC4]),  # RSSI
        }
        actions = {
            0x0406: self.disconnect,
            0x041D: self.read_remote_version,
            0x0C03: self.reset,
            0x200B: self.set_scan_parameters,
            0x200C: self.set_scan_enable,
            CREATE_CONNECTION: self.create_connection,
            0x200E: self.cancel_connection,
            0x2010: self.clear_accept_list,
            0x2011: self.add_to_accept_list,
            0x2012: self.remove_from_accept_list,
            0x2013: self.update_connection,
            0x2016: self.read_remote_features,
            0x2017: lambda code, _: self.complete(code, ok + os.urandom(16)),
            0x2018: lambda code, _: self.complete(code, ok + os.urandom(8)),
            0x2019: self.start_encryption,
        }
        if opcode in actions:
            actions[opcode](opcode, data)
        elif opcode in answers:
            self.complete(opcode, answers[opcode])
        else:
            self.complete(opcode)

    def reset(self, opcode, _):
        self.scanning, self.dialling = False, None
        self.links.clear()
        self.complete(opcode)

    def set_scan_parameters(self, opcode, data):
        self.active_scan, self.only_accepted = bool(data[0]), bool(data[6] & 1)
        self.complete(opcode)

    def set_scan_enable(self, opcode, data):
        self.scanning = bool(data[0])
        if self.scanning:
            self.log("scans,", "active" if self.active_scan else "passive", "accept list" if self.only_accepted else "")
        else:
            self.log("stops to scan")
        self.complete(opcode)

    def clear_accept_list(self, opcode, _):
        self.accepted.clear()
        self.complete(opcode)

    def add_to_accept_list(self, opcode, data):
        self.accepted.add(bytes(data[1:7]))
        self.complete(opcode)

    def remove_from_accept_list(self, opcode, data):
        self.accepted.discard(bytes(data[1:7]))
        self.complete(opcode)

    def read_remote_version(self, opcode, data):
        self.status(opcode)
        self.event(0x0C, bytes([SUCCESS]) + data[:2] + struct.pack("<BHH", 8, 63, 0))

    def read_remote_features(self, opcode, data):
        self.status(opcode)
        answer = bytes([SUCCESS]) + data[:2] + LE_FEATURES
        asyncio.get_running_loop().call_later(self.answer_time, self.le_event, 0x04, answer)

    def update_connection(self, opcode, data):
        self.status(opcode)
        self.le_event(0x03, bytes([SUCCESS]) + data[:2] + struct.pack("<HHH", self.connection_interval, 0, 42))

    # ---- links

    def connection_complete(self, code, handle, raw_address):
        link = struct.pack("<HHHB", self.connection_interval, 0, 42, 0)
        self.le_event(0x01, struct.pack("<BHBB6s", code, handle, 0, LE_RANDOM_ADDRESS, raw_address) + link)

    def create_connection(self, opcode, data):
        raw_address = bytes(data[6:12])
        peripheral = self.peripherals.get(raw_address)
        self.log("dials", ":".join("%02X" % byte for byte in reversed(raw_address)))
        if peripheral:
            peripheral.dials += 1
        if self.dialling is not None:
            return self.status(opcode, COMMAND_DISALLOWED)
        if self.slots is not None and len(self.links) >= self.slots:
            self.log("has no slot: command status 0x%02x" % LIMITED_RESOURCES)
            return self.status(opcode, LIMITED_RESOURCES)
        self.status(opcode)
        self.dialling = raw_address
        if peripheral and peripheral.answers_dial:
            wait = peripheral.next_event(time.monotonic()) - time.monotonic()
            asyncio.get_running_loop().call_later(wait + LINK_TIME, self.link_up, peripheral)

    def cancel_connection(self, opcode, _):
        self.log("cancels its dial")
        if self.dialling is None:
            return self.complete(opcode, bytes([COMMAND_DISALLOWED]))
        raw_address, self.dialling = self.dialling, None
        self.complete(opcode)
        self.connection_complete(NO_CONNECTION, 0, raw_address)

    def link_up(self, peripheral):
        if self.dialling != peripheral.raw_address or peripheral.is_linked():
            return
        self.dialling = None
        handle = self.next_handle
        self.next_handle += 1
        self.links[handle] = peripheral
        peripheral.links += 1
        self.log("link up", peripheral.address)
        self.connection_complete(SUCCESS, handle, peripheral.raw_address)
        if peripheral.drops > 0:
            peripheral.drops -= 1
            asyncio.get_running_loop().call_later(peripheral.drop_after, self.link_down, handle, REMOTE_TERMINATED)

    def disconnect(self, opcode, data):
        handle = struct.unpack("<H", data[:2])[0]
        self.status(opcode, SUCCESS if handle in self.links else NO_CONNECTION)
        self.link_down(handle, LOCAL_TERMINATED)

    def link_down(self, handle, reason):
        peripheral = self.links.pop(handle, None)
        self.pairings.pop(handle, None)
        if peripheral is None:
            return
        self.log("link down", peripheral.address, "reason 0x%02x" % reason)
        self.event(0x05, struct.pack("<BHB", SUCCESS, handle, reason))

    def drop(self, peripheral):
        for handle in [handle for handle, linked in self.links.items() if linked is peripheral]:
            self.link_down(handle, REMOTE_TERMINATED)

    def acl(self, packet):
        handle = struct.unpack("<H", packet[1:3])[0] & 0x0FFF
        self.event(0x13, struct.pack("<BHH", 1, handle, 1))
        peripheral = self.links.get(handle)
        channel = struct.unpack("<H", packet[7:9])[0]
        if peripheral is None or peripheral.mute:
            return
        if channel == ATT_CHANNEL:
            answer = peripheral.answer(packet[9:])
            if answer is not None:
                asyncio.get_running_loop().call_later(self.answer_time, self.send, handle, channel, answer)
        if channel == SMP_CHANNEL:
            pairing = self.pairings.setdefault(handle, Pairing(self.raw_address, peripheral.raw_address))
            for answer in pairing.answer(packet[9:]):
                self.send(handle, channel, answer)

    def send(self, handle, channel, data):
        if handle not in self.links:
            return
        self.write(bytes([ACL]) + struct.pack("<HHHH", handle | 0x2000, len(data) + 4, len(data), channel) + data)

    def start_encryption(self, opcode, data):
        handle = struct.unpack("<H", data[:2])[0]
        if handle not in self.links:
            return self.status(opcode, NO_CONNECTION)
        self.status(opcode)
        self.log("encrypts", self.links[handle].address)
        self.event(0x08, struct.pack("<BHB", SUCCESS, handle, 1))
        if pairing := self.pairings.pop(handle, None):
            for packet in pairing.keys():
                self.send(handle, SMP_CHANNEL, packet)

    # ---- the air

    async def advertise(self):
        while True:
            await asyncio.sleep(0.01)
            if not self.scanning:
                continue
            now = time.monotonic()
            for peripheral in self.peripherals.values():
                due = self.next_reports[peripheral]
                if not peripheral.advertising or peripheral.is_linked() or now < due:
                    continue
                if self.only_accepted and peripheral.raw_address not in self.accepted:
                    continue
                missed = now - due > peripheral.interval
                self.next_reports[peripheral] = peripheral.next_event(now)
                if not missed:
                    self.report(peripheral)

    def report(self, peripheral):
        data = peripheral.advertising_data()
        rssi = bytes([256 - 60 + random.randint(-9, 9)])
        head = bytes([LE_RANDOM_ADDRESS]) + peripheral.raw_address
        self.le_event(0x02, bytes([1, 0]) + head + bytes([len(data)]) + data + rssi)
        if self.active_scan:  # the scan response, empty
            self.le_event(0x02, bytes([1, 4]) + head + bytes([0]) + rssi)
