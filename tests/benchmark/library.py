# The Python library as its users write it: a line with an address in, a connect and its end, a line of JSON out.
# The device is looked up in BlueZ's objects, which is quicker than a scan. Words after the address: `keep` leaves the
# link up; `at PATH` gives the device by its path, as a scan before had found it.
import asyncio
import contextlib
import json
import sys
import time

from bleak.backends.device import BLEDevice
from bleak_retry_connector import BleakClientWithServiceCache, establish_connection, get_device

kept = []


def at_path(address, path):
    return BLEDevice(address, address, {"path": path, "props": {"Adapter": path[: path.rindex("/")]}}, -60)


async def one(address, words):
    began = time.monotonic()
    answer = {"failure": ""}
    try:
        device = at_path(address, words[words.index("at") + 1]) if "at" in words else await get_device(address)
        if device is None:
            raise RuntimeError("not found")
        client = await establish_connection(BleakClientWithServiceCache, device, address, use_services_cache=True)
        answer["usable"] = (time.monotonic() - began) * 1e3
        if "keep" in words:
            kept.append(client)
        else:
            # Where BlueZ tells the end of the link before it answers Disconnect, bleak 0.22 closes its bus without the answer.
            with contextlib.suppress(EOFError):
                await client.disconnect()
    except Exception as error:  # whatever it ends with is its answer
        answer["failure"] = f"{type(error).__name__}: {error}"
    answer["wall"] = (time.monotonic() - began) * 1e3
    return answer


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        print(json.dumps({"ready": True}), flush=True)
        line = (await reader.readline()).decode().split()
        if not line:
            return
        if line[0] == "all":  # at the same time
            await get_device(line[1])  # bleak's list of objects is made at the first look, which the others would not wait for
            began = time.monotonic()
            answers = await asyncio.gather(*(one(address, []) for address in line[1:]))
            failures = [answer["failure"] for answer in answers if answer["failure"]]
            print(json.dumps({"wall": (time.monotonic() - began) * 1e3, "failure": failures[0] if failures else ""}), flush=True)
        else:
            print(json.dumps(await one(line[0], line[1:])), flush=True)


asyncio.run(main())
