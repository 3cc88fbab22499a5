# The processes under test, as they run on a real machine, and the trace of all that happens.
# bluetoothd is Debian's; the daemon runs as its own user, told where its folders are as systemd tells it.
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time

import bus
from expect import check, until

OUT = "/run/out"
BLUETOOTHD = "/usr/libexec/bluetooth/bluetoothd"
LOADER = "/daemon/lib/ld-linux-x86-64.so.2"
DAEMON_ENVIRONMENT = {
    "NOTIFY_SOCKET": "/run/notify",
    "RUNTIME_DIRECTORY": "/run/bleconnd",
    "STATE_DIRECTORY": "/var/lib/bleconnd",
    "CACHE_DIRECTORY": "/var/cache/bleconnd",
    "CONFIGURATION_DIRECTORY": "/etc/bleconnd",
}


class Stack:
    """`watched`: with the trace of bus, controllers and processes, which takes its share of the one processor."""

    def __init__(self, watched=True):
        self.started = time.monotonic()
        self.watched = watched
        self.trace = open(f"{OUT}/trace.log", "w", buffering=1)
        self.followers = []
        self.bluetoothd = self.daemon = None
        self.notifications = []
        self.notified = asyncio.Event()
        self.usual_files, self.asked = None, False  # open files of the daemon after its first call

    def log(self, *text):
        if not self.watched:
            return
        self.trace.write("%9.3f " % (time.monotonic() - self.started) + " ".join(str(item) for item in text) + "\n")

    async def start(self):
        self.client = await bus.Client.connect()
        self.monitor = bus.Monitor(self.log)
        self.hci_log = None
        if self.watched:
            await self.monitor.start()
            self.hci_log = subprocess.Popen(["btmon", "-w", f"{OUT}/hci.btsnoop"], stdout=subprocess.DEVNULL)
        self.monitor.own.add(self.client.connection.unique_name)
        await self.start_bluetoothd()
        self.listen_to_notifications()
        await self.start_daemon()

    def output(self, name):
        """Where a process' output goes: through follow(), or unwatched into a file in memory."""
        return asyncio.subprocess.PIPE if self.watched else open(f"/run/{name}.log", "ab")

    def follow(self, process, name):
        """Copies what a process says into its own log and into the trace."""
        if process.stdout is None:
            return

        async def copy():
            with open(f"{OUT}/{name}.log", "a", buffering=1) as own:
                while line := await process.stdout.readline():
                    text = line.decode(errors="replace").rstrip()
                    own.write(text + "\n")
                    self.log(name, "says", text)
            self.log(name, "ended with", await process.wait())

        self.followers.append(asyncio.create_task(copy()))

    async def start_bluetoothd(self):
        self.bluetoothd = await asyncio.create_subprocess_exec(
            BLUETOOTHD, "-n", stdout=self.output("bluetoothd"), stderr=asyncio.subprocess.STDOUT
        )
        self.follow(self.bluetoothd, "bluetoothd")
        await until(lambda: self.client.has_owner(bus.BLUEZ), "org.bluez on the bus", 20)

    async def kill_bluetoothd(self):
        self.log("step: SIGKILL to bluetoothd")
        self.bluetoothd.kill()
        await self.bluetoothd.wait()

    def listen_to_notifications(self):
        address = DAEMON_ENVIRONMENT["NOTIFY_SOCKET"]
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        listener.bind(address)
        os.chmod(address, 0o666)

        def on_notification():
            text = listener.recv(4096).decode()
            self.notifications.extend(text.splitlines())
            self.notified.set()
            self.log("daemon notifies", text.replace("\n", " "))

        asyncio.get_running_loop().add_reader(listener, on_notification)

    async def start_daemon(self):
        """Returns when it has said READY=1."""
        self.notifications.clear()
        self.daemon = await asyncio.create_subprocess_exec(
            LOADER,
            "--library-path",
            "/daemon/lib",
            "/daemon/bleconnd",
            env=DAEMON_ENVIRONMENT,
            user="bleconnd",
            group="bleconnd",
            extra_groups=["bluetooth"],
            stdout=self.output("daemon"),
            stderr=asyncio.subprocess.STDOUT,
        )
        self.follow(self.daemon, "daemon")
        deadline = time.monotonic() + 30
        while "READY=1" not in self.notifications:  # at once, for what is measured from there on
            check(self.daemon.returncode is None and time.monotonic() < deadline, "READY=1 did not come")
            self.notified.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.notified.wait(), 0.5)
        self.usual_files, self.asked = None, False

    async def end_daemon(self):
        self.log("step: SIGTERM to the daemon")
        self.daemon.send_signal(signal.SIGTERM)
        await until(lambda: self.daemon.returncode is not None, "the daemon has ended", 15)
        check(self.daemon.returncode == 0, f"the daemon's exit status {self.daemon.returncode}")

    async def kill_daemon(self):
        self.log("step: SIGKILL to the daemon")
        self.daemon.kill()
        await self.daemon.wait()

    def open_files(self):
        """Without its records, which are opened with their first line."""
        folder = f"/proc/{self.daemon.pid}/fd"
        names = [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]
        return [name for name in names if not name.startswith(("/run/bleconnd/", "/var/lib/bleconnd/"))]

    def resident_mebibytes(self):
        with open(f"/proc/{self.daemon.pid}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:"))
