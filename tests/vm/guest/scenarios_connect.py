# Links that come about: by the daemon's own dial, by another caller's, by another program's.
import asyncio
import time

from expect import check, until
from rig import Answer
from stage import adapter_address, check_link, scenario, stage


@scenario("BlueZ alone, without the daemon: the rig is sound")
async def bluez_alone(rig):
    controller, device = await stage(rig)
    path, program = await rig.discover(controller, device.address)
    began = time.monotonic()
    reply = await program.bluez(path, "Device1", "Connect")
    check(not reply.error, f"Device1.Connect: {reply}")
    await until(lambda: program.get(path, "Device1", "ServicesResolved"), "BlueZ has the services")
    row = await rig.row(Answer("", "", time.monotonic() - began), device.address, "connected by Device1.Connect")
    await program.bluez(path, "Device1", "Disconnect")
    return row


@scenario("first connect")
async def first_connect(rig):
    controller, device = await stage(rig)
    answer = await rig.establish(device.address)
    await check_link(rig, answer, controller, device)
    check(answer.results["attempts"] == 1 and not answer.results["shared"], f"results {answer.results}")
    return await rig.row(answer, device.address)


@scenario("second connect, after ReleaseConnection")
async def second_connect(rig):
    controller, device = await stage(rig)
    await check_link(rig, await rig.establish(device.address), controller, device)
    check(await rig.release(device.address) == 0, "a lease is left")
    answer = await rig.establish(device.address)
    await check_link(rig, answer, controller, device)
    check(answer.results["attempts"] == 1, f"results {answer.results}")
    return await rig.row(answer, device.address)


@scenario("ReleaseConnection drops the link")
async def release_drops(rig):
    controller, device = await stage(rig)
    await check_link(rig, await rig.establish(device.address), controller, device)
    began = time.monotonic()
    left = await rig.release(device.address)
    answer = Answer("", "", time.monotonic() - began)
    check(left == 0, f"{left} leases left")
    check(not controller.links, "the answer came while the link was up")
    check(await rig.release(device.address) is None, "released twice")
    return await rig.row(answer, device.address, "released, link down")


@scenario("two adapters, heard on the second only")
async def second_adapter(rig):
    await rig.plug(adapter_address())
    controller, device = await stage(rig)
    answer = await rig.establish(device.address)
    await check_link(rig, answer, controller, device)
    return await rig.row(answer, device.address)


@scenario("two callers, one link")
async def two_callers(rig):
    controller, device = await stage(rig)
    other = await rig.new_client()
    first = rig.establish_later(device.address)
    second = rig.establish_later(device.address, client=other)
    for answer in (await first, await second):
        await check_link(rig, answer, controller, device)
    check(device.links == 1, f"{device.links} links")
    check(await rig.release(device.address) == 1, "the other caller's lease is gone")
    check(device in controller.links.values(), "the link went with the first release")
    check(await rig.release(device.address, other) == 0, "a lease is left")
    check(not controller.links, "the link is up without a lease")
    return await rig.row(answer, device.address)


@scenario("link that another program holds")
async def foreign_link(rig):
    controller, device = await stage(rig)
    path, program = await rig.discover(controller, device.address)
    reply = await program.bluez(path, "Device1", "Connect")
    check(not reply.error, f"the other program could not connect: {reply}")
    answer = await rig.establish(device.address)
    await check_link(rig, answer, controller, device)
    row = await rig.row(answer, device.address)
    check(device.links == 1 and answer.results["shared"], f"{device.links} links, {answer.results}")
    check(await rig.release(device.address) == 0, "a lease is left")
    check(device in controller.links.values(), "the daemon ended the other program's link")
    await program.bluez(path, "Device1", "Disconnect")
    return row


@scenario("another program's dial, joined when it connects")
async def foreign_dial(rig):
    controller, device = await stage(rig, answers_dial=False)
    path, program = await rig.discover(controller, device.address)
    dial = asyncio.create_task(program.bluez(path, "Device1", "Connect"))
    rig.tasks.append(dial)
    await until(lambda: device.dials, "the other program's dial")
    call = rig.establish_later(device.address)
    in_progress = lambda: any("in progress" in text.lower() for text in rig.monitor.errors)
    await until(in_progress, "BlueZ told the daemon of the dial in progress")
    controller.link_up(device)
    answer = await call
    await check_link(rig, answer, controller, device)
    check(not (await dial).error, "the other program's dial was disturbed")
    check(device.dials == 1, f"{device.dials} dials")
    row = await rig.row(answer, device.address)
    await rig.release(device.address)
    await program.bluez(path, "Device1", "Disconnect")
    return row
