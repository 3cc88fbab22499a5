# The installed packages on a whole system: systemd is the first process, bluetoothd is Debian's unit, and the link is a real one.
# Everything is done as an administrator and a member of group bluetooth do it: dpkg, systemctl, bleconnctl.
import asyncio
import glob
import subprocess
import sys
import time
import traceback

import bus
from expect import Failed, check, until
from main import HEAD, cell
from peripheral import SERVICE_UUID
from rig import Rig, device_path
from stack import OUT
from stage import adapter_address, new_peripheral


class Installed(Rig):
    """The same rig, of which systemd runs the daemon and bluetoothd."""

    async def start(self):
        self.client = await bus.Client.connect()
        self.monitor = bus.Monitor(self.log)
        await self.monitor.start()
        self.monitor.own.add(self.client.connection.unique_name)

    async def run(self, *words, user=None):
        """A command's output; the scenario fails with it."""
        self.log("step:", user or "root", "runs", *words)
        if user:
            words = ("runuser", "-u", user, "--", *words)
        process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = (await asyncio.wait_for(process.communicate(), 150))[0].decode(errors="replace").strip()
        self.log("step: said", said)
        check(process.returncode == 0, f"{' '.join(words)} ends with {process.returncode}: {said[-400:]}")
        return said

    async def shown(self, name):
        return await self.run("systemctl", "show", "--value", "--property", name, "bleconnd")

    async def state(self):
        reply = await self.client.call(bus.BLECONND, "/org/bleconnd", bus.PROPERTIES, "Get", "ss", bus.MANAGER, "State")
        return None if reply.error else reply.body[0]

    async def is_state(self, wanted):
        return await self.state() == wanted


async def install(rig):
    await rig.run("useradd", "--no-create-home", "sensor-user")
    await rig.run("dpkg", "--install", *sorted(glob.glob("/packages/*.deb")))
    await rig.run("usermod", "--append", "--groups", "bluetooth", "sensor-user")
    check(await rig.shown("ActiveState") == "active", "the unit is not active after the installation")
    await until(lambda: rig.is_state("waiting-for-bluez"), "State is waiting-for-bluez")
    status = await rig.shown("StatusText")
    await rig.run("systemctl", "start", "bluetooth")
    await until(lambda: rig.is_state("waiting-for-adapter"), "State is waiting-for-adapter")
    return f'enabled and started by dpkg; without bluetoothd: waiting-for-bluez, "{status}"; with it: waiting-for-adapter'


async def connect(rig):
    rig.controller = await rig.plug(adapter_address())
    rig.device = new_peripheral(rig.controller)
    await until(lambda: rig.is_state("running"), "State is running")
    said = await rig.run("bleconnctl", "connect", rig.device.address, user="sensor-user")
    path = device_path(f"hci{rig.controller.index}", rig.device.address)
    check(path in said, f"bleconnctl says {said}")
    check(await rig.client.get(path, "Device1", "Connected") is True, "BlueZ: Connected is not true")
    check(rig.device in rig.controller.links.values(), "the controller has no link")
    services = await rig.run("bleconnctl", "services", rig.device.address, user="sensor-user")
    check(SERVICE_UUID in services, f"services: {services}")
    return said.splitlines()[0]


async def status(rig):
    said = await rig.run("systemctl", "status", "--no-pager", "--lines=0", "bleconnd")
    with open(f"{OUT}/systemctl-status.txt", "w") as file:
        file.write(said + "\n")
    exposure = (await rig.run("systemd-analyze", "security", "--no-pager", "--threshold=3", "bleconnd")).splitlines()[-1]
    memory = int(await rig.shown("MemoryCurrent")) / 1024 / 1024
    check(memory < 48, f"{memory:.0f} MiB, the unit's limit is 48")
    text = await rig.shown("StatusText")
    return f'"{text}", {memory:.1f} MiB of 48; {exposure[2:]}'


async def restart(rig):
    """A lease that a program holds, over a restart of the unit and a SIGKILL."""
    hold = await asyncio.create_subprocess_exec("runuser", "-u", "sensor-user", "--", "bleconnctl", "connect", "--hold", rig.device.address,
                                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await until(lambda: is_held(rig), "the program's lease", 60)
    rig.monitor.forget()
    await rig.run("systemctl", "restart", "bleconnd")
    await until(lambda: is_held(rig), "its lease after a restart", 20)
    await rig.run("systemctl", "kill", "--signal=KILL", "bleconnd")
    await until(lambda: restarted(rig), "systemd starts it again", 20)
    await until(lambda: is_held(rig), "its lease after SIGKILL", 20)
    check(rig.device in rig.controller.links.values(), "the link is lost")
    check(not rig.monitor.connects, f"dialled: {rig.monitor.connects}")
    hold.terminate()
    await hold.wait()
    return "lease and link are there after a restart and after SIGKILL, no dial"


async def is_held(rig):
    """Connected, and leased by a program that is on the bus: a lingering lease has no name."""
    names = [lease[0] for lease in await rig.ours(rig.device.address, "Leases") or []]
    return any(names) and await rig.ours(rig.device.address, "State") == "connected"


async def restarted(rig):
    return await rig.shown("NRestarts") == "1" and await rig.shown("ActiveState") == "active"


async def disconnect(rig):
    await rig.run("bleconnctl", "disconnect", rig.device.address)
    await until(lambda: not rig.controller.links, "the controller has no link")
    return "link down"


async def purge(rig):
    await rig.run("dpkg", "--purge", "bleconn-tools", "libbleconn-dev", "libbleconn1", "bleconnd")
    left = [name for folder in ("etc", "usr", "var/lib", "var/cache", "run") for name in glob.glob(f"/{folder}/**/*bleconn*", recursive=True)
            if not name.startswith("/var/lib/systemd/catalog")]
    check(not left, f"left: {left}")
    return "no file is left"


async def main():
    rig = Installed()
    await rig.start()
    passed = failed = 0
    with open(f"{OUT}/table.md", "w", buffering=1) as table:
        table.write(HEAD)
        for step in (install, connect, status, restart, disconnect, purge):
            began = time.monotonic()
            try:
                text, good = await step(rig), True
            except Exception as error:
                rig.log(traceback.format_exc())
                text, good = f"FAILED: {error if isinstance(error, Failed) else repr(error)}", False
            seconds = time.monotonic() - began
            table.write(f"| installed packages: {step.__name__} | {cell(text)} | {seconds:.1f} | |\n")
            print(f"{'ok  ' if good else 'FAIL'} {seconds:5.1f} s  {step.__name__}: {text}", flush=True)
            passed, failed = passed + good, failed + (not good)
    for name, words in (("journal.txt", ["-o", "short-monotonic"]), ("journalctl-x.txt", ["-x", "-u", "bleconnd"])):
        with open(f"{OUT}/{name}", "w") as file:
            subprocess.run(["journalctl", "--no-pager", *words], stdout=file)
    with open(f"{OUT}/status", "w") as status_file:
        status_file.write(f"{passed} passed, {failed} failed\n")


asyncio.run(main())
sys.exit(0)
