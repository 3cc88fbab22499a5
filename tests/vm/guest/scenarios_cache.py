# Services that are known without discovery: from the cache over restarts, verified after, readable offline, cleared.
# That BlueZ has discovered afresh shows at the device: it was asked for the characteristics of its services.
from expect import check, until
from peripheral import CHARACTERISTIC_UUID, NOTIFY, READ, SERVICE_UUID, SMALL, VENDOR, gatt_database
from rig import device_path
from stage import SHORT, adapter_address, check_link, new_peripheral, scenario, stage

UPDATED_UUID = "cba20003-224d-11e6-9fb8-0002a5d5c51b"
UPDATED = [*SMALL[:-1], (SERVICE_UUID, [*VENDOR[1], (UPDATED_UUID, READ | NOTIFY, b"new")])]
MISSING_UUID = "cba2ffff-224d-11e6-9fb8-0002a5d5c51b"


async def connected_before(rig, controller, device, **options):
    """A first connect, which discovers, and its end: what the daemon knows is on disk when its caller is answered."""
    answer = await rig.establish(device.address, **options)
    await check_link(rig, answer, controller, device)
    check(not answer.results["services-from-cache"] and answer.results["services-verified"], f"{answer.results}")
    check(device.discoveries > 0, "BlueZ did not ask for characteristics")
    await rig.verified(device.address)
    check(await rig.release(device.address) == 0, "a lease is left")
    device.discoveries = 0


async def connect_cached(rig, controller, device, **options):
    answer = await rig.establish(device.address, **options)
    check(not answer.error, f"not connected: {answer.text()}")
    check(answer.results["services-from-cache"], f"not from the cache: {answer.results}")
    check(not answer.results["services-verified"], f"verified already: {answer.results}")
    await check_link(rig, answer, controller, device)
    await rig.verified(device.address)
    return answer


async def value_of(rig, device, answer, uuid=CHARACTERISTIC_UUID):
    path = device.characteristic_path(answer.results["bluez-device"], uuid)
    reply = await rig.client.bluez(path, "GattCharacteristic1", "ReadValue", "a{sv}", {})
    return reply.error or bytes.fromhex(reply.body[0])


@scenario("daemon restarted: services from the cache, verified after")
async def restarted(rig):
    controller, device = await stage(rig)
    await connected_before(rig, controller, device)
    await rig.end_daemon()
    await rig.start_daemon()
    answer = await connect_cached(rig, controller, device)
    check(await value_of(rig, device, answer) == b"hello", "the characteristic cannot be read")
    check(device.discoveries == 0, f"{device.discoveries} discoveries of characteristics")
    return await rig.row(answer, device.address, f"{answer.text()}, then ServicesVerified")


@scenario("from the cache, a characteristic is read at once")
async def usable_at_once(rig):
    controller, device = await stage(rig)
    await connected_before(rig, controller, device)
    answer = await rig.establish(device.address)
    check(answer.results.get("services-from-cache"), f"not from the cache: {answer.text()} {answer.results}")
    value = await value_of(rig, device, answer)
    check(value == b"hello", f"ReadValue: {value}")
    await check_link(rig, answer, controller, device)
    return await rig.row(answer, device.address, f"{answer.text()}, ReadValue answers")


@scenario("services changed while away: ServicesChanged")
async def changed_while_away(rig):
    controller, device = await stage(rig)
    await connected_before(rig, controller, device)
    device.database = gatt_database(UPDATED)
    told = await rig.client.told("ServicesChanged")
    answer = await connect_cached(rig, controller, device)
    await until(lambda: told, "ServicesChanged")
    check(await value_of(rig, device, answer, UPDATED_UUID) == b"new", "the new characteristic cannot be read")
    live, _ = await rig.services(device.address)
    check(await rig.release(device.address) == 0, "a lease is left")
    uuids, info = await rig.services(device.address)
    check(UPDATED_UUID in uuids.values() and info["from-cache"], f"GetServices offline: {uuids}, {info}")
    check(uuids == live, f"offline {uuids}, connected {live}")
    device.database = gatt_database(SMALL)
    again = await connect_cached(rig, controller, device)
    await until(lambda: len(told) == 2, "ServicesChanged when they are as before")
    return await rig.row(again, device.address, f"{answer.text()}; ServicesChanged, GetServices offline has the new ones")


@scenario("bluetoothd restarted: it has no objects, the answer waits for them")
async def bluetoothd_restarted(rig):
    controller, device = await stage(rig)
    await connected_before(rig, controller, device)
    before, _ = await rig.services(device.address)
    await rig.kill_bluetoothd()
    await rig.start_bluetoothd()
    await until(lambda: rig.powered(controller), "BlueZ has the adapter")
    uuids, info = await rig.services(device.address)
    check(uuids == before and info["from-cache"], f"GetServices offline: {uuids}, {info}; before {before}")
    answer = await rig.establish(device.address)
    await check_link(rig, answer, controller, device)
    check(not answer.results["services-from-cache"], f"from the cache: {answer.results}")
    return await rig.row(answer, device.address, f"{answer.text()}; GetServices offline has them before")


async def connect_afresh(rig, controller, device):
    """After ClearCache: neither the daemon nor BlueZ knows anything of the device."""
    path = device_path(f"hci{controller.index}", device.address)
    check(await rig.client.get(path, "Device1", "Address") is None, "BlueZ still has the object")
    uuids, info = await rig.services(device.address)
    check(info == "NotCached", f"GetServices: {uuids}, {info}")
    answer = await rig.establish(device.address)
    await check_link(rig, answer, controller, device)
    check(not answer.results["services-from-cache"], f"from the cache: {answer.results}")
    check(device.discoveries > 0, "BlueZ did not ask for characteristics")
    return await rig.row(answer, device.address, f"{answer.text()}; BlueZ asked for the characteristics again")


@scenario("ClearCache: the next connect discovers afresh")
async def cleared(rig):
    controller, device = await stage(rig)
    await connected_before(rig, controller, device)
    await connect_cached(rig, controller, device)
    check(await rig.release(device.address) == 0, "a lease is left")
    check(device.discoveries == 0, f"{device.discoveries} discoveries before ClearCache")
    check(await rig.clear_cache(device.address), "nothing was cleared")
    return await connect_afresh(rig, controller, device)


@scenario("ClearCache while connected: BlueZ forgets when the link has ended")
async def cleared_while_connected(rig):
    controller, device = await stage(rig)
    await connected_before(rig, controller, device)
    await connect_cached(rig, controller, device)
    check(await rig.clear_cache(device.address), "nothing was cleared")
    check(device in controller.links.values(), "the link went with ClearCache")
    check(await rig.release(device.address) == 0, "a lease is left")
    path = device_path(f"hci{controller.index}", device.address)
    await until(lambda: is_gone(rig, path), "BlueZ has forgotten the device")
    return await connect_afresh(rig, controller, device)


async def is_gone(rig, path):
    return await rig.client.get(path, "Device1", "Address") is None


@scenario("ClearCache after a restart of the daemon, on hci10")
async def cleared_on_hci10(rig):
    for _ in range(10):
        await rig.plug(adapter_address())
    controller, device = await stage(rig)
    check(controller.index == 10, f"the rig gave hci{controller.index}")
    await connected_before(rig, controller, device)
    await rig.end_daemon()
    await rig.start_daemon()
    check(await rig.clear_cache(device.address), "nothing was cleared")
    row = await connect_afresh(rig, controller, device)
    return row._replace(state=row.state.split("; hci0")[0])


@scenario("required-uuids that the device has not")
async def requires_too_much(rig):
    controller, device = await stage(rig)
    await connected_before(rig, controller, device)
    answer = await rig.establish(device.address, required_uuids=[SERVICE_UUID, MISSING_UUID], **SHORT)
    check(answer.error == "ConnectionFailed" and answer.token == "services-incomplete", f"got {answer.text()}")
    check(MISSING_UUID in answer.message and SERVICE_UUID not in answer.message, f"names {answer.message}")
    check(device.discoveries > 0, "BlueZ did not ask for characteristics once more")
    row = await rig.row(answer, device.address)
    again = await rig.establish(device.address, required_uuids=[SERVICE_UUID, CHARACTERISTIC_UUID])
    await check_link(rig, again, controller, device)
    return row


# BlueZ's TemporaryTimeout is as it comes, 30 s: the device beside it shows when they are over.
@scenario("trust=true: BlueZ keeps the device beyond its 30 s")
async def trusted(rig):
    controller, device = await stage(rig)
    other = new_peripheral(controller)
    await connected_before(rig, controller, device, trust=True)
    await connected_before(rig, controller, other)
    for silent in (device, other):
        silent.advertising = False
    index = f"hci{controller.index}"
    await until(lambda: is_gone(rig, device_path(index, other.address)), "BlueZ has dropped the other device", 60)
    path = device_path(index, device.address)
    check(await rig.client.get(path, "Device1", "Trusted") is True, "the trusted device has no object any more")
    device.advertising = True
    answer = await connect_cached(rig, controller, device, trust=True)
    return await rig.row(answer, device.address)
