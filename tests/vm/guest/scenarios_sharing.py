# What several programs and devices share: adapters, their slots, one link; and leases that outlive client and daemon.
import asyncio
import contextlib
import time
from collections import Counter

from expect import check, until
from rig import Answer
from stage import adapter_address, check_failure, check_link, new_peripheral, scenario, stage

NOBODY, GAMES = ("nobody", 65534), ("games", 5)  # users of the guest
LINGER = 3


@scenario("three adapters, six devices asked for at once by three callers, one more pinned to hci2")
async def three_adapters(rig):
    controllers = {f"hci{each.index}": each for each in [await rig.plug(adapter_address()) for _ in range(3)]}
    # not so often that the emulated bluetoothd starves: it tells of new objects when it is idle
    devices = [new_peripheral(*controllers.values(), interval=0.5) for _ in range(6)]
    pinned = new_peripheral(*controllers.values(), interval=0.5)
    callers = [rig.client, await rig.new_client(), await rig.new_client()]
    began = time.monotonic()
    calls = [(device, callers[(number + which) % 3]) for number, device in enumerate(devices) for which in range(2)]
    later = [rig.establish_later(device.address, client=caller) for device, caller in calls]
    pinned_later = rig.establish_later(pinned.address, adapter="hci2")
    answers = await asyncio.gather(*later)
    all_up = Answer("", "", time.monotonic() - began)
    for (device, _), answer in zip(calls, answers):
        await check_link(rig, answer, controllers.get(answer.results.get("adapter")), device)
    pinned_answer = await pinned_later
    await check_link(rig, pinned_answer, controllers["hci2"], pinned)
    for device in [*devices, pinned]:
        error = await rig.ours(device.address, "LastError")
        check(device.links == device.dials == 1, f"{device.address}: {device.dials} dials, {device.links} links, {error}")
    check(len(rig.monitor.connects) == 7, f"Connect was called on {rig.monitor.connects}")
    check(max(rig.monitor.most_connecting.values()) == 1, f"dials at a time {rig.monitor.most_connecting}")
    taken = Counter(answer.results["adapter"] for answer in answers[::2])
    row = await rig.row(
        all_up, pinned.address,
        f"6 connected, attempts {max(answer.results['attempts'] for answer in answers)}, each dialled once, one at a time "
        f"an adapter: {', '.join(f'{taken[name]} on {name}' for name in sorted(controllers))}; the pinned one on hci2")
    left = await asyncio.gather(*(rig.release(device.address, caller) for device, caller in calls))
    check(sorted(left) == [0] * 6 + [1] * 6, f"leases left {left}")
    return row


async def refused_twice(rig, **options):
    """A controller with one slot, its link, and calls for two more devices: both refused, then in the queue."""
    controller, holder = await stage(rig, slots=1)
    waiting = [new_peripheral(controller) for _ in range(2)]
    await check_link(rig, await rig.establish(holder.address), controller, holder)
    slots = await rig.our_adapter(controller, "Slots")
    check(slots == 0, f"Slots {slots} before anything was refused")
    calls = {device: rig.establish_later(device.address, attempt_timeout=5, **options) for device in waiting}

    async def queued():
        states = [await rig.ours(device.address, "State") for device in waiting]
        return await rig.our_adapter(controller, "Slots") == 1 and states == ["queued"] * 2

    await until(queued, "the limit is learned and both devices are queued", 20)
    check(all(device.dials for device in waiting), f"dials {[device.dials for device in waiting]}")
    check(await rig.our_adapter(controller, "SlotsFree") == 0, "a slot is free")
    allocated = await rig.our_adapter(controller, "Allocated")
    check(allocated == [holder.address], f"Allocated {allocated}")
    return controller, holder, calls


@scenario("no slot for two devices: the limit is learned, they wait until the link is released")
async def waits_for_slot(rig):
    controller, holder, calls = await refused_twice(rig)
    refusals = sum(device.dials for device in calls)
    await asyncio.sleep(3)
    check(sum(device.dials for device in calls) == refusals, "dialled while there is no slot")
    queue = await rig.our_adapter(controller, "Queued")
    check(sorted(queue) == sorted(device.address for device in calls), f"Queued {queue}")
    first, second = sorted(calls, key=lambda device: queue.index(device.address))
    began = time.monotonic()
    check(await rig.release(holder.address) == 0, "a lease is left")
    answer = await calls[first]
    answer.seconds = time.monotonic() - began
    await check_link(rig, answer, controller, first)
    row = await rig.row(
        answer, first.address, f"Slots 1 after {refusals} refusals; {answer.text()}: connected after a slot was freed")
    state = await rig.ours(second.address, "State")
    check(state == "queued" and not calls[second].done(), f"the other one is {state}")
    check(await rig.release(first.address) == 0, "a lease is left")
    await check_link(rig, await calls[second], controller, second)
    check(first.links == second.links == 1, f"{first.links} and {second.links} links")
    return row


@scenario("no slot, and the limit is known: a call with a timeout of 4 s")
async def no_slot_in_time(rig):
    controller, holder, calls = await refused_twice(rig)
    late = new_peripheral(controller)
    answer = await rig.establish(late.address, timeout=4)
    await check_failure(rig, answer, "OutOfConnectionSlots", "no-slot", 3.9, 7)
    check("0 of 1 slots free" in answer.message, f"says {answer.message}")
    check(late.dials == 0, f"{late.dials} dials")
    check(holder in controller.links.values(), "the first link is gone")
    row = await rig.row(answer, late.address)
    for device, call in calls.items():
        check(await rig.release(device.address) == 0, "a lease is left")
        check((await call).error == "Cancelled", "the call was not cancelled")
    return row


@contextlib.asynccontextmanager
async def linger(rig, seconds):
    """Another LingerSec than the guest's 0."""

    async def restart(value):
        with open("/etc/bleconnd/main.conf", "w") as file:
            file.write(f"[General]\nLingerSec={value}\n")
        await rig.end_daemon()
        await rig.start_daemon()

    await restart(seconds)
    try:
        yield
    finally:
        await restart(0)


async def leases(rig, device):
    """Names and users of those who hold it, without labels."""
    return [(name, user) for name, user, _ in await rig.ours(device.address, "Leases") or []]


async def leased_by_program(rig, controller, device, user="root", **options):
    began = time.monotonic()
    process, reply = await rig.program("EstablishConnection", device.address, user, **options)
    answer = Answer.of(reply, time.monotonic() - began)
    await check_link(rig, answer, controller, device)
    return process, answer


@scenario(f"two programs on one link, both killed, LingerSec {LINGER}")
async def programs_killed(rig):
    controller, device = await stage(rig)
    async with linger(rig, LINGER):
        one, _ = await leased_by_program(rig, controller, device)
        other, answer = await leased_by_program(rig, controller, device)
        check(answer.results["shared"], f"results {answer.results}")
        holders = await leases(rig, device)
        check(len(holders) == 2 and all(name for name, _ in holders), f"Leases {holders}")
        await rig.kill_program(one)
        await until(lambda: has_leases(rig, device, [("", 0), holders[1]]), "the killed program's lease lingers", 2)
        await until(lambda: has_leases(rig, device, holders[1:]), "its lease has ended", LINGER + 2)
        await asyncio.sleep(2)
        check(device in controller.links.values(), "the link went with the first program")
        await rig.kill_program(other)
        began = time.monotonic()
        await asyncio.sleep(LINGER - 1)
        check(device in controller.links.values(), "the link went before LingerSec was over")
        await until(lambda: not controller.links, "the link is dropped", 6)
        ended = Answer("", "", time.monotonic() - began)
        check(ended.seconds >= LINGER, f"{ended.seconds:.1f} s")
        check(device.links == 1, f"{device.links} links")
        await until(rig.no_connections, "the daemon has dropped the device")
        return await rig.row(ended, device.address, f"stays with one; after both dropped when {LINGER} s were over")


async def has_leases(rig, device, *any_of):
    return await leases(rig, device) in any_of


async def restored(rig, controller, device, holders):
    """After a restart of the daemon: the same link, the same leases, and nothing was dialled."""
    await until(lambda: has_state(rig, device, "connected"), "the daemon has its link again")
    found = await leases(rig, device)
    check(found == holders, f"Leases {found}, before {holders}")
    check(device in controller.links.values(), "the link is gone")
    check(device.links == device.dials == len(rig.monitor.connects) == 1, f"connected again: {rig.monitor.connects}")


async def has_state(rig, device, state):
    return await rig.ours(device.address, "State") == state


@scenario("daemon killed while a client leases a link: the next life has the lease")
async def daemon_killed(rig):
    controller, device = await stage(rig)
    caller = await rig.new_client()
    await check_link(rig, await rig.establish(device.address, client=caller), controller, device)
    holders = await leases(rig, device)
    check(holders == [(caller.connection.unique_name, 0)], f"Leases {holders}")
    await rig.kill_daemon()
    check(device in controller.links.values(), "the link went with the daemon")
    began = time.monotonic()
    await rig.start_daemon()
    await restored(rig, controller, device, holders)
    again = Answer("", "", time.monotonic() - began)
    row = await rig.row(again, device.address, "lease restored, no Connect; ReleaseConnection drops the link")
    check(await rig.release(device.address, caller) == 0, "a lease is left")
    check(not controller.links, "the link is up without a lease")
    return row


@scenario("lifetime=persistent: its program leaves, the daemon restarts")
async def persistent(rig):
    controller, device = await stage(rig)
    program, answer = await leased_by_program(rig, controller, device, NOBODY[0], lifetime="persistent")
    holders = [("persistent", NOBODY[1])]
    check(await leases(rig, device) == holders, f"Leases {await leases(rig, device)}")
    await rig.kill_program(program)
    await asyncio.sleep(2)  # LingerSec is 0
    check(await leases(rig, device) == holders, f"without its program Leases {await leases(rig, device)}")
    check(device in controller.links.values(), "the link went with its program")
    await rig.end_daemon()
    await rig.start_daemon()
    await restored(rig, controller, device, holders)
    await rig.kill_daemon()
    await rig.start_daemon()
    await restored(rig, controller, device, holders)
    row = await rig.row(
        answer, device.address,
        f"{answer.text()}; link stays without its program, over SIGTERM and SIGKILL; the user's next program releases it")
    _, reply = await rig.program("ReleaseConnection", device.address, GAMES[0])
    check(reply.error == "org.bleconnd.Error.NotConnected", f"another user's ReleaseConnection: {reply}")
    _, reply = await rig.program("ReleaseConnection", device.address, NOBODY[0])
    check(reply.body == [0], f"ReleaseConnection: {reply}")
    check(not controller.links, "the link is up without a lease")
    return row
