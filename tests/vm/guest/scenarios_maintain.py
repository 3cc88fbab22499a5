# Maintained links: they come back by themselves, whatever restarts.
import time

from expect import check, until
from rig import Answer
from stage import adapter_address, check_link, new_peripheral, scenario, stage

FIVE = 5


async def all_connected(rig, controller, devices):
    for device in devices:
        if await rig.ours(device.address, "State") != "connected" or device not in controller.links.values():
            return False
    return True


async def come_back(rig, controller, devices, within, began, text):
    await until(lambda: all_connected(rig, controller, devices), text, within)
    return await rig.row(Answer("", "", time.monotonic() - began), devices[0].address, text)


async def five_maintained(rig):
    controller = await rig.plug(adapter_address())
    devices = [new_peripheral(controller, interval=0.5) for _ in range(FIVE)]
    for device in devices:
        await check_link(rig, await rig.establish(device.address, maintain=True), controller, device)
    return controller, devices


@scenario("maintain=true: the device ends the link")
async def link_lost(rig):
    controller, device = await stage(rig)
    await check_link(rig, await rig.establish(device.address, maintain=True), controller, device)
    began = time.monotonic()
    controller.drop(device)
    await until(lambda: device.links == 2, "connected again", 20)
    row = await come_back(rig, controller, [device], 20, began, "connected again, nobody called")
    check(device.links == 2, f"{device.links} links")
    check(await rig.release(device.address) == 0, "a lease is left")
    check(not controller.links, "the link is up without a lease")
    return row


@scenario("maintain=true, wait=false: a device that comes later")
async def comes_later(rig):
    controller, device = await stage(rig)
    device.advertising = False
    answer = await rig.establish(device.address, maintain=True, wait=False)
    check(not answer.error and answer.results["state"] == "queued", f"declared: {answer.text()} {answer.results}")
    await until(lambda: has_state(rig, device, "backing-off"), "it is away")
    device.advertising = True
    return await come_back(rig, controller, [device], 40, time.monotonic(), "connected when it was heard, nobody called")


async def has_state(rig, device, state):
    return await rig.ours(device.address, "State") == state


@scenario(f"{FIVE} maintained links, bluetoothd killed and started")
async def bluetoothd_restarts(rig):
    controller, devices = await five_maintained(rig)
    await rig.kill_bluetoothd()
    await until(lambda: has_state(rig, devices[0], "queued"), "they wait for bluetoothd")
    began = time.monotonic()
    await rig.start_bluetoothd()
    return await come_back(rig, controller, devices, 60, began, f"all {FIVE} connected again, nobody called")


@scenario(f"{FIVE} maintained links, the daemon killed, two of them lost meanwhile")
async def daemon_restarts(rig):
    controller, devices = await five_maintained(rig)
    await rig.kill_daemon()
    for device in devices[:2]:
        controller.drop(device)
    began = time.monotonic()
    await rig.start_daemon()
    row = await come_back(rig, controller, devices, 60, began, "three adopted, two dialled, nobody called")
    check([device.links for device in devices] == [2, 2, 1, 1, 1], f"links {[device.links for device in devices]}")
    return row


@scenario(f"{FIVE} maintained links, the adapter unplugged, back as another hciN")
async def replugged(rig):
    controller, devices = await five_maintained(rig)
    before = controller.index
    controller.unplug()
    await until(rig.no_adapters, "BlueZ has no adapter")
    await rig.plug(adapter_address())  # takes the lowest free index, which was the first one's
    began = time.monotonic()
    await rig.plug(None, controller=controller)
    check(controller.index != before, f"the rig gave the same index, hci{before}")
    row = await come_back(rig, controller, devices, 60, began, f"all {FIVE} connected on hci{controller.index}, nobody called")
    return row
