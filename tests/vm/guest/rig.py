# What a scenario does and sees: it plugs controllers, plays the daemon's clients, and looks at what BlueZ holds.
# Every scenario brings its own controllers; daemon and bluetoothd live on from one to the next.
import asyncio
import contextlib
import json
import sys
import time
from collections import namedtuple
from dataclasses import dataclass, field

import bus
from controller import Controller
from expect import Failed, check, until
from stack import Stack

Row = namedtuple("Row", "text seconds state")


@dataclass
class Answer:
    """What EstablishConnection said."""

    error: str
    message: str
    seconds: float
    device: str = ""
    results: dict = field(default_factory=dict)

    @classmethod
    def of(cls, reply, seconds):
        if reply.error:
            return cls(reply.error.removeprefix("org.bleconnd.Error."), (reply.body or [""])[0], seconds)
        return cls("", "", seconds, *reply.body)

    @property
    def token(self):
        return self.message.split(":")[0]

    def text(self):
        if self.error:
            return f"`{self.error}` {self.message}"
        attempts = self.results.get("attempts")
        shared = ", shared" if self.results.get("shared") else ""
        cached = ", services from the cache" if self.results.get("services-from-cache") else ""
        return f"connected on {self.results.get('adapter')}, attempts {attempts}{shared}{cached}"


def device_path(adapter, address):
    return f"/org/bluez/{adapter}/dev_" + address.replace(":", "_")


class Rig(Stack):
    def __init__(self, watched=True):
        super().__init__(watched)
        self.controllers = []
        self.clients = []
        self.tasks = []
        self.programs = []

    # ---- controllers

    async def plug(self, address, slots=None, controller=None):
        """A new controller, or one that comes back; returns when BlueZ has powered it."""
        controller = controller or Controller(address, self.log, slots)
        if controller not in self.controllers:
            self.controllers.append(controller)
        await controller.plug()
        await until(lambda: self.powered(controller), f"hci{controller.index} is powered")
        return controller

    async def powered(self, controller):
        path = f"/org/bluez/hci{controller.index}"
        if await self.client.get(path, "Adapter1", "Address") != controller.address:
            return False
        return await self.client.get(path, "Adapter1", "Powered")

    # ---- what a client asks of the daemon

    async def new_client(self):
        client = await bus.Client.connect()
        self.monitor.own.add(client.connection.unique_name)
        self.clients.append(client)
        return client

    async def establish(self, address, client=None, reply_within=150, **options):
        names = {name.replace("_", "-"): value for name, value in options.items()}
        self.log("step: EstablishConnection", address, names)
        began = time.monotonic()
        caller = client or self.client
        self.asked = True
        try:
            reply = await caller.manager("EstablishConnection", "sa{sv}", address, bus.typed(names), timeout=reply_within)
        except asyncio.TimeoutError:
            raise Failed(f"EstablishConnection was not answered in {reply_within} s") from None
        seconds = time.monotonic() - began
        answer = Answer.of(reply, seconds)
        self.log("step: answered after %.3f s:" % seconds, answer.text(), answer.results)
        return answer

    def establish_later(self, address, **options):
        task = asyncio.create_task(self.establish(address, **options))
        self.tasks.append(task)
        return task

    async def program(self, member, address, user="root", **options):
        """The same call by a process of its own, which then stays on the bus; returns it with its reply."""
        self.log("step: program of", user, "calls", member, address, options)
        self.asked = self.asked or member == "EstablishConnection"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "/scenarios/program.py", member, address, json.dumps(options),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, user=user, extra_groups=["bluetooth"])
        self.programs.append(process)
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        check(line, f"the program of {user} that calls {member} ended without an answer")
        reply = bus.Reply(*json.loads(line))
        self.log("step: program of", user, "is answered", reply)
        return process, reply

    async def kill_program(self, process):
        self.log("step: SIGKILL to a program")
        self.programs.remove(process)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def release(self, address, client=None):
        """Gives the lease back; returns how many are left, None where there was none."""
        reply = await (client or self.client).manager("ReleaseConnection", "sa{sv}", address, {}, timeout=20)
        self.log("step: ReleaseConnection", address, "→", reply)
        return None if reply.error else reply.body[0]

    async def clear_cache(self, address, client=None):
        """Forgets its services; returns whether there was anything to forget."""
        reply = await (client or self.client).manager("ClearCache", "sa{sv}", address, {}, timeout=25)
        self.log("step: ClearCache", address, "→", reply)
        check(not reply.error, f"ClearCache: {reply}")
        return reply.body[0]

    async def services(self, address):
        """What GetServices knows: UUIDs of services and characteristics by path, and its info."""
        reply = await self.client.manager("GetServices", "s", address, timeout=25)
        if reply.error:
            return {}, reply.error.removeprefix("org.bleconnd.Error.")
        objects, info = reply.body
        uuids = {path: properties["UUID"] for path, interfaces in objects.items()
                 for interface, properties in interfaces.items() if "UUID" in properties}
        return uuids, info

    async def ours(self, address, name):
        """A property of the daemon's device object, None where there is none."""
        path = "/org/bleconnd/dev_" + address.replace(":", "_")
        reply = await self.client.call(bus.BLECONND, path, bus.PROPERTIES, "Get", "ss", bus.DEVICE, name)
        return None if reply.error else reply.body[0]

    async def our_adapter(self, controller, name):
        """A property of the daemon's adapter object, None where there is none."""
        path = f"/org/bleconnd/hci{controller.index}"
        reply = await self.client.call(bus.BLECONND, path, bus.PROPERTIES, "Get", "ss", bus.ADAPTER, name)
        return None if reply.error else reply.body[0]

    async def verified(self, address):
        await until(lambda: self.ours(address, "ServicesVerified"), f"the services of {address} are verified")

    async def connections(self):
        reply = await self.client.manager("ListConnections", timeout=20)
        check(not reply.error, f"ListConnections: {reply}")
        return reply.body[0]

    # ---- what BlueZ holds

    async def bluez_state(self, address):
        """A line for the table: the device on every adapter, then the adapters."""
        objects = await self.client.objects()
        devices, adapters = [], []
        for path, interfaces in sorted(objects.items()):
            name = path.split("/")[3] if path.count("/") >= 3 else ""
            if device := interfaces.get("org.bluez.Device1"):
                if device["Address"] == address:
                    services = sum("org.bluez.GattService1" in objects[other] for other in objects if other.startswith(path))
                    marks = [key for key in ("Connected", "ServicesResolved", "Paired") if device.get(key)]
                    devices.append(f"{name}: {' '.join(marks) or 'object, not connected'}, {services} services")
            if adapter := interfaces.get("org.bluez.Adapter1"):
                marks = [f"{key}={str(adapter[key]).lower()}" for key in ("Powered", "Discovering")]
                adapters.append(f"{name} {' '.join(marks)}")
        return "; ".join((devices or ["no object"]) + adapters)

    async def row(self, answer, address, text=""):
        return Row(text or answer.text(), answer.seconds, await self.bluez_state(address))

    async def discovery_stopped(self):
        objects = await self.client.objects()
        adapters = [interfaces.get("org.bluez.Adapter1", {}) for interfaces in objects.values()]
        return not any(adapter.get("Discovering") for adapter in adapters)

    async def heard(self, controller, address):
        path = device_path(f"hci{controller.index}", address)
        return await self.client.get(path, "Device1", "Address") is not None

    async def discover(self, controller, address):
        """Another program's discovery, until the device has its object."""
        path = f"/org/bluez/hci{controller.index}"
        program = await self.new_client()
        await program.bluez(path, "Adapter1", "SetDiscoveryFilter", "a{sv}", {"Transport": bus.Variant("s", "le")})
        await program.bluez(path, "Adapter1", "StartDiscovery")
        await until(lambda: self.heard(controller, address), f"BlueZ knows {address}")
        await program.bluez(path, "Adapter1", "StopDiscovery")
        return device_path(f"hci{controller.index}", address), program

    # ---- the end of a scenario

    async def nothing_left(self):
        """Ends what the scenario holds by releasing it, then looks for whatever should not be there."""
        while self.programs:
            await self.kill_program(self.programs[-1])
        for address, _, _, leases, _ in await self.connections():
            for client in [self.client, *self.clients]:
                if leases and client.connection.connected:
                    await self.release(address, client)
        for client in self.clients:
            client.leave()
        self.clients.clear()
        await until(self.no_connections, "the daemon holds no connection", 15)
        await until(self.discovery_stopped, "no adapter discovers", 5)
        for controller in self.controllers:
            # a controller that is off is told nothing, its dial or scan ends with the reset when it is switched on
            if controller.file is not None and await self.powered(controller):
                await until(controller.at_rest, f"controller {controller.address[-2:]} at rest: links, dial, scan", 15)
        check(self.daemon.returncode is None, f"the daemon ended with {self.daemon.returncode}")
        if self.asked and self.usual_files is None:  # what the bus library opens at first use is open now
            self.usual_files = self.open_files()
        check(self.bluetoothd.returncode is None, f"bluetoothd ended with {self.bluetoothd.returncode}")

    async def no_connections(self):
        return not await self.connections()

    async def unplug_all(self):
        for controller in self.controllers:
            if controller.file is not None:
                controller.unplug()
        self.controllers.clear()
        await until(self.no_adapters, "BlueZ has no adapter", 10)

    async def no_adapters(self):
        return not any("org.bluez.Adapter1" in interfaces for interfaces in (await self.client.objects()).values())
