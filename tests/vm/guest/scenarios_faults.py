# Devices, links, adapters, bluetoothd and callers that fail; last, that the daemon has grown by none of it and ends well.
import time

import bus
from expect import check, until
from rig import Answer, Row
from stage import SHORT, adapter_address, check_failure, check_link, new_peripheral, scenario, stage, switch_off, switch_on


@scenario("unknown device, never heard")
async def unknown_device(rig):
    controller = await rig.plug(adapter_address())
    address = "C0:00:00:00:FF:01"
    answer = await rig.establish(address, **SHORT)
    await check_failure(rig, answer, "NotFound", "not-seen", 9.5, 14)
    check("no object" in await rig.bluez_state(address), "BlueZ has an object")
    check(controller.at_rest(), "the controller is not at rest")
    return await rig.row(answer, address)


@scenario("known device that stopped advertising")
async def stopped_advertising(rig):
    controller, device = await stage(rig)
    await check_link(rig, await rig.establish(device.address), controller, device)
    await rig.release(device.address)
    device.advertising = False
    answer = await rig.establish(device.address, **SHORT)
    await check_failure(rig, answer, "NotFound", "not-seen", 9.5, 16)
    await until(controller.at_rest, "no dial left")
    return await rig.row(answer, device.address)


@scenario("device is heard, its link never comes")
async def never_answers(rig):
    controller, device = await stage(rig, answers_dial=False)
    answer = await rig.establish(device.address, **SHORT)
    await check_failure(rig, answer, "NotFound", "seen-no-answer", 9.5, 18)
    check(device.dials >= 2, f"{device.dials} dials")
    await until(controller.at_rest, "no dial left")
    return await rig.row(answer, device.address)


@scenario("peer drops the first two links after 50 ms")
async def drops_twice(rig):
    controller, device = await stage(rig, drops=2)
    answer = await rig.establish(device.address)
    await check_link(rig, answer, controller, device)
    check(device.links == 3 and answer.results["attempts"] == 3, f"{device.links} links, {answer.results}")
    check(answer.seconds < 10, f"{answer.seconds:.1f} s")
    return await rig.row(answer, device.address)


@scenario("peer drops every link after 50 ms")
async def drops_always(rig):
    controller, device = await stage(rig, drops=1000)
    answer = await rig.establish(device.address, **SHORT)
    # 2 max-attempts allow 5 transient failures
    await check_failure(rig, answer, "Aborted", "link-lost", 0.2, 20)
    check(device.links == 5, f"{device.links} links")
    return await rig.row(answer, device.address)


@scenario("peer is mute: services never come")
async def mute_peer(rig):
    controller, device = await stage(rig, mute=True)
    answer = await rig.establish(device.address, **SHORT)
    await check_failure(rig, answer, "ConnectionFailed", "services-incomplete", 9.5, 22)
    await until(controller.at_rest, "the useless link is dropped", 5)
    return await rig.row(answer, device.address)


# The kernel may keep a power-off waiting until a dial has ended: short attempts bound that.
@scenario("adapter off during the dial, then on again")
async def off_and_on(rig):
    controller, device = await stage(rig, answers_dial=False)
    call = rig.establish_later(device.address, attempt_timeout=4)
    await until(lambda: device.dials, "the first dial")
    await switch_off(rig, controller)
    device.answers_dial = True
    await switch_on(rig, controller)
    answer = await call
    await check_link(rig, answer, controller, device)
    return await rig.row(answer, device.address)


@scenario("adapter off during the dial, and stays off")
async def off_for_good(rig):
    controller, device = await stage(rig, answers_dial=False)
    call = rig.establish_later(device.address, attempt_timeout=4, timeout=10)
    await until(lambda: device.dials, "the first dial")
    await switch_off(rig, controller)
    answer = await call
    await check_failure(rig, answer, "NotReady", "adapter-off", 9.5, 13)
    return await rig.row(answer, device.address)


@scenario("bluetoothd killed during the dial, then started")
async def killed_during_dial(rig):
    controller, device = await stage(rig, answers_dial=False)
    call = rig.establish_later(device.address)
    await until(lambda: device.dials, "the first dial")
    await rig.kill_bluetoothd()
    device.answers_dial = True
    await rig.start_bluetoothd()
    answer = await call
    await check_link(rig, answer, controller, device)
    return await rig.row(answer, device.address)


@scenario("bluetoothd killed while connected, then a new call")
async def killed_while_connected(rig):
    controller, device = await stage(rig)
    await check_link(rig, await rig.establish(device.address), controller, device)
    await rig.kill_bluetoothd()
    await until(rig.no_connections, "the daemon knows that the link is gone")
    call = rig.establish_later(device.address)
    await rig.start_bluetoothd()
    answer = await call
    await check_link(rig, answer, controller, device)
    return await rig.row(answer, device.address)


@scenario("adapter unplugged during the dial, back as another hciN")
async def replugged(rig):
    controller, device = await stage(rig, answers_dial=False)
    before = controller.index
    call = rig.establish_later(device.address)
    await until(lambda: device.dials, "the first dial")
    controller.unplug()
    await until(rig.no_adapters, "BlueZ has no adapter")
    await rig.plug(adapter_address())  # takes the lowest free index, which was the first one's
    device.answers_dial = True
    await rig.plug(None, controller=controller)
    check(controller.index != before, f"the rig gave the same index, hci{before}")
    answer = await call
    await check_link(rig, answer, controller, device)
    return await rig.row(answer, device.address)


@scenario("no slot: one link is up, the controller refuses more")
async def slots_full(rig):
    controller, holder = await stage(rig, slots=1)
    device = new_peripheral(controller)
    await check_link(rig, await rig.establish(holder.address), controller, holder)
    answer = await rig.establish(device.address, **SHORT)
    await check_failure(rig, answer, "OutOfConnectionSlots", "no-slot", 0.2, 40)
    check(holder in controller.links.values(), "the first link is gone")
    row = await rig.row(answer, device.address)
    await rig.release(holder.address)
    await check_link(rig, await rig.establish(device.address, **SHORT), controller, device)
    return row


@scenario("caller leaves the bus during the dial")
async def caller_leaves(rig):
    controller, device = await stage(rig, answers_dial=False)
    caller = await rig.new_client()
    call = rig.establish_later(device.address, client=caller)
    await until(lambda: device.dials, "the dial")
    began = time.monotonic()
    caller.leave()
    call.cancel()
    await until(controller.at_rest, "the dial is given up")
    await until(rig.no_connections, "the daemon has dropped the attempt")
    return await rig.row(Answer("", "", time.monotonic() - began), device.address, "dial given up")


@scenario("after all of these, the daemon has not grown")
async def has_not_grown(rig):
    check(rig.usual_files, "nothing was asked of this daemon before")
    usual = len(rig.usual_files)
    await until(lambda: len(rig.open_files()) <= usual, f"open files {rig.open_files()}, usually {rig.usual_files}")
    files, memory = rig.open_files(), rig.resident_mebibytes()
    check(memory < 48, f"{memory:.0f} MiB resident")  # MemoryHigh of its unit
    return Row(f"{len(files)} open files as after the first connect, {memory:.0f} MiB resident", 0.0, "no adapter")


@scenario("SIGTERM: the daemon ends, the leased link stays")
async def terminated(rig):
    controller, device = await stage(rig)
    answer = await rig.establish(device.address)
    await check_link(rig, answer, controller, device)
    began = time.monotonic()
    await rig.end_daemon()
    ended = Answer("", "", time.monotonic() - began)
    check(device in controller.links.values(), "the leased link was dropped")
    path = answer.results["bluez-device"]
    row = await rig.row(ended, device.address, "exit status 0")
    await rig.client.call(bus.BLUEZ, path, "org.bluez.Device1", "Disconnect")
    await rig.start_daemon()
    return row
