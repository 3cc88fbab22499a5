# Pairing by Just Works with a scripted peer, and a peer that is real BlueZ too: btvirt's two controllers hear each other.
# Between those the link is up faster than any radio's, so that BlueZ may never say Connected=true.
import asyncio

from dbus_fast import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_property, method
from expect import check, until
from stage import check_link, scenario, stage


class Agent(ServiceInterface):
    """The user's consent: BlueZ refuses to pair where no program has registered one."""

    def __init__(self):
        super().__init__("org.bluez.Agent1")

    @method()
    def Release(self):
        pass

    @method()
    def RequestConfirmation(self, device: "o", passkey: "u"):
        pass

    @method()
    def RequestAuthorization(self, device: "o"):
        pass

    @method()
    def Cancel(self):
        pass


@scenario("pair=true, Just Works; then connect the bonded device")
async def pairs(rig):
    controller, device = await stage(rig)
    desktop = await rig.new_client()
    desktop.connection.export("/agent", Agent())
    for reply in (
        await desktop.bluez("/org/bluez", "AgentManager1", "RegisterAgent", "os", "/agent", "NoInputNoOutput"),
        await desktop.bluez("/org/bluez", "AgentManager1", "RequestDefaultAgent", "o", "/agent"),
    ):
        check(not reply.error, f"the agent is refused: {reply}")
    answer = await rig.establish(device.address, pair=True)
    await check_link(rig, answer, controller, device)
    path = answer.results["bluez-device"]
    for name in ("Paired", "Bonded"):
        check(await rig.client.get(path, "Device1", name) is True, f"BlueZ: {name} is not true")
    row = await rig.row(answer, device.address)
    check(await rig.release(device.address) == 0, "a lease is left")
    await check_link(rig, await rig.establish(device.address, pair=True), controller, device)
    check(await rig.client.get(path, "Device1", "Bonded") is True, "the bond is gone")
    return row


class Advertisement(ServiceInterface):
    def __init__(self):
        super().__init__("org.bluez.LEAdvertisement1")

    @method()
    def Release(self):
        pass

    @dbus_property(access=PropertyAccess.READ)
    def Type(self) -> "s":
        return "peripheral"

    @dbus_property(access=PropertyAccess.READ)
    def LocalName(self) -> "s":
        return "Peer"


async def adapters(rig):
    objects = await rig.client.objects()
    found = {path: interfaces["org.bluez.Adapter1"] for path, interfaces in objects.items()
             if "org.bluez.Adapter1" in interfaces}
    return found if len(found) == 2 and all(adapter["Powered"] for adapter in found.values()) else None


@scenario("a peer that is BlueZ too (btvirt): a link faster than any radio")
async def fast_link(rig):
    emulator = await asyncio.create_subprocess_exec("btvirt", "-L", "-l2", stdout=asyncio.subprocess.DEVNULL)
    peer = await rig.new_client()
    try:
        (central, _), (peripheral, properties) = sorted((await until(lambda: adapters(rig), "two adapters")).items())
        address = properties["Address"]
        peer.connection.export("/advertisement", Advertisement())
        reply = await peer.bluez(peripheral, "LEAdvertisingManager1", "RegisterAdvertisement", "oa{sv}", "/advertisement", {})
        check(not reply.error, f"the peer cannot advertise: {reply}")
        answer = await rig.establish(address, adapter=central.rsplit("/", 1)[1])
        check(not answer.error, f"not connected: {answer.text()}")
        path = answer.results["bluez-device"]
        for name in ("Connected", "ServicesResolved"):
            check(await rig.client.get(path, "Device1", name) is True, f"BlueZ: {name} is not true")
        row = await rig.row(answer, address)
        check(await rig.release(address) == 0, "a lease is left")
        check(await rig.client.get(path, "Device1", "Connected") is False, "connected after the release")
    finally:
        peer.leave()
        emulator.terminate()
        await emulator.wait()
    return row
