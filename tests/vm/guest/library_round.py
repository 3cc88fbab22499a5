# One connect by the Python library in a process of its own, as its users write it; the times as JSON.
# Usage: library_round.py ADDRESS. The clock runs from the call, with everything imported.
import asyncio
import contextlib
import json
import sys
import time

from bleak import BleakClient, BleakScanner
from bleak_retry_connector import establish_connection

VALUE_UUID = "00002a6e-0000-1000-8000-00805f9b34fb"


async def main(address):
    began = time.monotonic()
    device = await BleakScanner.find_device_by_address(address, timeout=20)
    scan = time.monotonic() - began
    client = await establish_connection(BleakClient, device, address, use_services_cache=True)
    usable = time.monotonic() - began
    await client.read_gatt_char(VALUE_UUID)
    value = time.monotonic() - began
    print(json.dumps({"scan": scan, "usable": usable, "value": value}))
    # Where BlueZ tells the end of the link before it answers Disconnect, bleak 0.22 closes its bus without the answer.
    with contextlib.suppress(EOFError):
        await client.disconnect()


asyncio.run(main(sys.argv[1]))
