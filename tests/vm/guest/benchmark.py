# Times of EstablishConnection on real BlueZ with and without the GATT cache, round by round, and the bounds on them.
# Nothing else is traced meanwhile: daemon, bluetoothd, bus and the scripted device share one emulated processor.
import asyncio
import json
import random
import shutil
import statistics
import sys
import time
from collections import namedtuple

import bus
from controller import INTERVAL_UNIT
from expect import check, until
from peripheral import ADVERTISING_INTERVAL, NOTIFY, READ, SERVICE_UUID, WRITE, gatt_database
from rig import Rig, device_path
from stack import LOADER, OUT
from stage import adapter_address, new_peripheral

VALUE_UUID = 0x2A6E
AHEAD = 0.2  # seconds; a call's time is set so long before, and its program started
CONNECTION_INTERVAL = 40  # units: 50 ms, the longest that Linux asks for by default, which controllers choose
# A climate sensor: 6 services, 20 characteristics, of which 8 have a client configuration.
SENSOR = [
    (0x1800, [(0x2A00, READ, b"Sensor"), (0x2A01, READ, b"\0\x05"), (0x2A04, READ, bytes(8)), (0x2AA6, READ, b"\1")]),
    (0x1801, [(0x2A05, 0x20, b"")]),
    (0x180A, [(uuid, READ, b"1.0") for uuid in (0x2A29, 0x2A24, 0x2A25, 0x2A27, 0x2A26, 0x2A28)]),
    (0x180F, [(0x2A19, READ | NOTIFY, b"\x64")]),
    (0x181A, [(uuid, READ | NOTIFY, b"\xd0\x07") for uuid in (VALUE_UUID, 0x2A6F, 0x2A6D)]),
    (SERVICE_UUID, [(f"cba2000{number}-224d-11e6-9fb8-0002a5d5c51b", properties, b"x")
                    for number, properties in enumerate((WRITE, NOTIFY, NOTIFY, READ | WRITE, READ | NOTIFY), 2)]),
]
ENTRY, RESTARTED, CLEARED, LIBRARY = "entry", "restarted", "cleared", "library"
RECLAIMED, LIBRARY_FIRST, LIBRARY_AGAIN = "reclaimed", "library first", "library again"
NAMES = {
    ENTRY: "a: with the entry",
    CLEARED: "b: first connect after ClearCache",
    RESTARTED: "c: with the entry, right after a restart of the daemon",
    RECLAIMED: "d: a client that has restarted, its link lingers",
    LIBRARY: "Python library, a fresh process",
    LIBRARY_FIRST: "Python library, BlueZ knows nothing of the device",
    LIBRARY_AGAIN: "Python library, the same process again, without a scan",
}
# Rows of the table of tests/benchmark/run: ours, and what of the library's they are beside.
FIGURES = {
    "P8.first": ("vm: first connect", CLEARED, LIBRARY_FIRST),
    "P8.cached": ("vm: cached", ENTRY, LIBRARY_AGAIN),
    "P8.restart": ("vm: cached, after a restart of the client", RECLAIMED, LIBRARY),
}
Sample = namedtuple("Sample", "usable value")  # seconds from the call to its answer, and to a value that was read
Bound = namedtuple("Bound", "text ratio lowest highest")


class Program:
    """A client in C, since this one has the scripted device to play meanwhile: one call at its time, to the microsecond as
    library_round.py makes its own; its link is held until it is released, or until the program is killed."""

    def __init__(self, address):
        self.address = address

    async def establish(self, at):
        """Seconds from `at` to the answer; and whether the services are from the cache."""
        self.process = await asyncio.create_subprocess_exec(
            LOADER, "--library-path", "/daemon/lib", "/daemon/client", "hold", self.address, "%.9f" % at,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        line = await asyncio.wait_for(self.process.stdout.readline(), 150)
        check(line, "the client ended without an answer")
        answer = json.loads(line)
        check(not answer["failure"], f"not connected: {answer['failure']}")
        return answer["usable"], answer["cached"]

    async def release(self):
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()
        check(await self.process.wait() == 0, "not released")

    async def die(self):
        self.process.kill()
        await self.process.wait()


class Benchmark:
    def __init__(self, rig, rounds):
        self.rig, self.rounds = rig, rounds
        self.samples = {name: [] for name in NAMES}
        self.library = None
        # When a round's calls come between two advertisements: spread evenly, the same for all that is compared.
        self.phases = [(number + 0.5) / rounds for number in range(rounds)]
        random.Random(1).shuffle(self.phases)
        self.phase = 0

    async def prepare(self):
        self.controller = await self.rig.plug(adapter_address())
        self.controller.connection_interval = CONNECTION_INTERVAL
        self.device = new_peripheral(self.controller, database=gatt_database(SENSOR))
        self.path = device_path(f"hci{self.controller.index}", self.device.address)
        self.value_path = self.device.characteristic_path(self.path, VALUE_UUID)
        self.address = self.device.address
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import bleak_retry_connector",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
        if await process.wait() == 0:
            self.library = []
        await self.connect()  # once, uncounted: what is loaded and learned at the first use is there after

    def next_call(self):
        """When it comes. All that are compared get their time alike: the guest's timers end on ticks of 4 ms."""
        at = time.monotonic() + AHEAD
        self.device.began = at - self.phase * ADVERTISING_INTERVAL
        return at

    async def connect(self):
        """One connect to its end, at rest before and after."""
        began = self.next_call()
        client = Program(self.address)
        usable, cached = await client.establish(began)
        value = await self.value_since(began)
        await self.rig.verified(self.address)
        await client.release()
        await self.at_rest()
        return cached, Sample(usable, value)

    async def value_since(self, began):
        reply = await self.rig.client.bluez(self.value_path, "GattCharacteristic1", "ReadValue", "a{sv}", {})
        value = time.monotonic() - began
        check(not reply.error, f"ReadValue: {reply}")
        return value

    async def at_rest(self):
        await until(self.controller.at_rest, "the controller is at rest", 15)
        await until(self.rig.discovery_stopped, "no adapter discovers", 15)

    async def entry(self):
        self.device.discoveries = 0
        cached, sample = await self.connect()
        check(cached, "not from the cache")
        check(self.device.discoveries == 0, "BlueZ discovered")
        return sample

    async def restarted(self):
        await self.rig.end_daemon()
        await self.rig.start_daemon()
        return await self.entry()

    async def reclaimed(self):
        """A client connects, ends without a release as a crash would, and calls again from another connection."""
        first = Program(self.address)
        await first.establish(self.next_call())
        await self.rig.verified(self.address)
        await first.die()
        second = Program(self.address)
        began = time.monotonic() + AHEAD
        usable, _ = await second.establish(began)
        value = await self.value_since(began)
        await second.release()
        await self.at_rest()
        return Sample(usable, value)

    async def cleared(self):
        check(await self.rig.clear_cache(self.address), "nothing was cleared")
        check(await self.rig.client.get(self.path, "Device1", "Address") is None, "BlueZ still has the object")
        self.device.discoveries = 0
        cached, sample = await self.connect()
        check(not cached, "from the cache")
        check(self.device.discoveries > 0, "BlueZ did not discover")
        return sample

    async def library_result(self, process):
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        check(line, "the library ended without a result")
        await self.at_rest()
        return json.loads(line)

    async def library_process(self, *words):
        self.device.began = time.monotonic() - self.phase * ADVERTISING_INTERVAL
        return await asyncio.create_subprocess_exec(
            sys.executable, "/scenarios/library_round.py", self.address, *words,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)

    async def library_round(self):
        process = await self.library_process()
        result = await self.library_result(process)
        check(await process.wait() == 0, f"the library's exit status {process.returncode}")
        self.library.append(result["scan"])
        return Sample(result["usable"], result["value"])

    async def library_first(self):
        """BlueZ forgets the device; then the library twice, in one process. What it learns is forgotten by `cleared`."""
        adapter = self.path[: self.path.rindex("/")]
        reply = await self.rig.client.bluez(adapter, "Adapter1", "RemoveDevice", "o", self.path)
        check(not reply.error, f"RemoveDevice: {reply}")
        process = await self.library_process("again")
        first = await self.library_result(process)
        process.stdin.write(b"%.6f\n" % self.next_call())
        await process.stdin.drain()
        again = await self.library_result(process)
        check(await process.wait() == 0, f"the library's exit status {process.returncode}")
        self.samples[LIBRARY_AGAIN].append(Sample(again["usable"], again["value"]))
        return Sample(first["usable"], first["value"])

    async def run(self):
        for number, self.phase in enumerate(self.phases):
            # what comes after what changes with the round, so that none always follows the same
            order = [(ENTRY, self.entry), (RESTARTED, self.restarted)][:: -1 if number % 2 else 1]
            order.append((RECLAIMED, self.reclaimed))
            if self.library is not None:
                order += [(LIBRARY, self.library_round), (LIBRARY_FIRST, self.library_first)]
            order.append((CLEARED, self.cleared))
            for name, play in order:
                self.samples[name].append(await play())
            last = {name: "%.3f" % samples[-1].usable for name, samples in self.samples.items() if samples}
            print(f"round {number + 1} of {self.rounds}: {last}", flush=True)

    def median(self, name, column="usable"):
        return statistics.median(getattr(sample, column) for sample in self.samples[name])

    def bounds(self):
        entry = self.median(ENTRY)
        return [
            Bound("a / b, at most 0.35", entry / self.median(CLEARED), 0, 0.35),
            Bound("c / a, within 20 %", self.median(RESTARTED) / entry, 0.8, 1.2),
        ]

    def figures(self):
        """A line of JSON each, as tests/benchmark/table reads them."""
        for name, (what, ours, library) in FIGURES.items():
            yield json.dumps({"id": name, "what": what, "unit": "s", "n": self.rounds, "floor": None, "ours": self.median(ours),
                              "library": self.median(library) if self.samples[library] else None}) + "\n"

    def table(self, debian, bluez):
        device = f"6 services, 20 characteristics, advertises every {ADVERTISING_INTERVAL * 1000:.0f} ms, "
        device += f"connection interval {CONNECTION_INTERVAL * INTERVAL_UNIT * 1000:g} ms"
        lines = [
            f"Real BlueZ {bluez} on {debian}, a processor of 1,000 million instructions a second;",
            f"a device with {device}; {self.rounds} rounds, interleaved.",
            "",
            "| EstablishConnection to its answer, s | median | quartiles | to the first value read, median |",
            "|---|---|---|---|",
        ]
        for name, samples in self.samples.items():
            if samples:
                low, middle, high = statistics.quantiles([sample.usable for sample in samples], n=4)
                lines.append(f"| {NAMES[name]} | {middle:.3f} | {low:.3f} to {high:.3f} | {self.median(name, 'value'):.3f} |")
        lines += ["", "| bound | measured | |", "|---|---|---|"]
        for bound in self.bounds():
            verdict = "kept" if bound.lowest <= bound.ratio <= bound.highest else "MISSED"
            lines.append(f"| {bound.text} | {bound.ratio:.3f} | {verdict} |")
        lines.append("")
        if self.library is None:
            lines.append("The Python library was not measured: this Debian has no package python3-bleak-retry-connector.")
        elif self.library:
            scan = statistics.median(self.library)
            lines.append(f"Python library: BleakScanner.find_device_by_address ({scan:.3f} s of it) and establish_connection, "
                         "without start and imports; BlueZ has object and services as in a.")
        return "\n".join(lines) + "\n"


async def version(*command):
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].decode().split()[-1]


async def main(rounds):
    with open("/etc/bleconnd/main.conf", "w") as file:  # the default, not the guest's 0
        file.write("[General]\nLingerSec=30\n")
    rig = Rig(watched=False)
    await rig.start()
    benchmark = Benchmark(rig, rounds)
    try:
        await benchmark.prepare()
        await benchmark.run()
    finally:
        shutil.copy("/run/daemon.log", OUT)
    with open("/etc/debian_version") as debian:
        table = benchmark.table("Debian " + debian.read().strip(), await version("bluetoothctl", "--version"))
    with open(f"{OUT}/table.md", "w") as file:
        file.write(table)
    kept = [bound.lowest <= bound.ratio <= bound.highest for bound in benchmark.bounds()]
    with open(f"{OUT}/figures.jsonl", "w") as file:
        file.writelines(benchmark.figures())
    with open(f"{OUT}/samples.json", "w") as file:
        json.dump(benchmark.samples, file)
    with open(f"{OUT}/status", "w") as status:
        status.write(f"{sum(kept)} passed, {len(kept) - sum(kept)} failed\n")


asyncio.run(main(int(sys.argv[1])))
