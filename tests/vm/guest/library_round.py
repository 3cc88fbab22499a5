# One connect by the Python library in a process of its own, as its users write it; the times as JSON.
# Usage: library_round.py ADDRESS [again]. The clock runs from the call, with everything imported. With `again` a second connect
# of the same process follows, without a scan, at the time that a line of input tells (time.monotonic).
import asyncio
import contextlib
import json
import sys
import time

from bleak import BleakScanner
from bleak_retry_connector import BleakClientWithServiceCache, establish_connection

VALUE_UUID = "00002a6e-0000-1000-8000-00805f9b34fb"


async def connect(address, device, began, scan):
    client = await establish_connection(BleakClientWithServiceCache, device, address, use_services_cache=True)
    usable = time.monotonic() - began
    await client.read_gatt_char(VALUE_UUID)
    value = time.monotonic() - began
    # Where BlueZ tells the end of the link before it answers Disconnect, bleak 0.22 closes its bus without the answer.
    with contextlib.suppress(EOFError):
        await client.disconnect()
    print(json.dumps({"scan": scan, "usable": usable, "value": value}), flush=True)


async def main(address, again):
    began = time.monotonic()
    device = await BleakScanner.find_device_by_address(address, timeout=20)
    await connect(address, device, began, time.monotonic() - began)
    if again:
        at = float(await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline))
        await asyncio.sleep(at - time.monotonic() - 0.005)
        while time.monotonic() < at:
            pass
        await connect(address, device, at, 0)


asyncio.run(main(sys.argv[1], sys.argv[2:] == ["again"]))
