# The kernel's side of a scripted controller: HCI packets over /dev/vhci, read and written.
# Packet layouts: Bluetooth Core specification, volume 4, part E.
import asyncio
import os
import struct

COMMAND, ACL, EVENT, VENDOR = 0x01, 0x02, 0x04, 0xFF
SUCCESS = 0x00


class Vhci:
    """An HCI device while it is plugged; subclasses answer command() and acl()."""

    def __init__(self, log):
        self.log = log
        self.index = None
        self.file = None
        self.plugged = asyncio.Event()

    async def plug(self):
        self.file = os.open("/dev/vhci", os.O_RDWR | os.O_NONBLOCK)
        os.write(self.file, bytes([VENDOR, 0]))
        asyncio.get_running_loop().add_reader(self.file, self.on_readable)
        await asyncio.wait_for(self.plugged.wait(), 10)
        self.log("plugged as hci%d" % self.index)

    def unplug(self):
        asyncio.get_running_loop().remove_reader(self.file)
        os.close(self.file)
        self.file = None
        self.plugged.clear()
        self.log("unplugged")

    def on_readable(self):
        while self.file is not None:
            try:
                packet = os.read(self.file, 2048)
            except BlockingIOError:
                return
            if packet[0] == VENDOR:
                self.index = struct.unpack("<H", packet[2:4])[0]
                self.plugged.set()
            elif packet[0] == COMMAND:
                self.command(struct.unpack("<H", packet[1:3])[0], packet[4:])
            elif packet[0] == ACL:
                self.acl(packet)

    def write(self, packet):
        if self.file is not None:
            os.write(self.file, packet)

    def event(self, code, data):
        self.write(bytes([EVENT, code, len(data)]) + data)

    def le_event(self, code, data):
        self.event(0x3E, bytes([code]) + data)

    def complete(self, opcode, data=bytes([SUCCESS]) + bytes(64)):
        """Command Complete; the default is a success with more parameters than any command wants."""
        self.event(0x0E, struct.pack("<BH", 1, opcode) + data)

    def status(self, opcode, code=SUCCESS):
        self.event(0x0F, struct.pack("<BBH", code, 1, opcode))
