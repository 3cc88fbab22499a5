# What every scenario begins with and ends on: a controller with a device, and the checks of an answer.
# A scenario is a function; its name and the row that it returns go into the table.
import itertools

from peripheral import SERVICE_UUID, Peripheral
from expect import check, until
from rig import device_path

SCENARIOS = []
SHORT = {"attempt_timeout": 5, "max_attempts": 2}
numbers = itertools.count(1)


def scenario(name):
    def register(function):
        SCENARIOS.append((name, function))
        return function

    return register


# Every controller and device has an address of its own, so nothing that BlueZ stored comes from another scenario.
def adapter_address():
    return "00:AA:01:00:00:%02X" % next(numbers)


def new_peripheral(*controllers, **faults):
    """A device that all of these hear."""
    device = Peripheral("C0:00:00:00:00:%02X" % next(numbers))
    for controller in controllers:
        controller.add(device)
    for name, value in faults.items():
        setattr(device, name, value)
    return device


async def stage(rig, slots=None, **faults):
    """The usual start: one controller that hears one device."""
    controller = await rig.plug(adapter_address(), slots)
    return controller, new_peripheral(controller, **faults)


async def check_link(rig, answer, controller, device):
    """An answer counts if BlueZ has the link and the services, and the controller too."""
    check(not answer.error, f"not connected: {answer.text()}")
    path = device_path(f"hci{controller.index}", device.address)
    check(answer.device.endswith("dev_" + device.address.replace(":", "_")), f"device path {answer.device}")
    check(answer.results.get("adapter") == f"hci{controller.index}", f"adapter {answer.results.get('adapter')}")
    check(answer.results.get("bluez-device") == path, f"bluez-device {answer.results.get('bluez-device')}")
    check(await rig.client.get(path, "Device1", "Connected") is True, "BlueZ: Connected is not true")
    # an answer from the cache comes before BlueZ has looked at the services
    patience = 10 if answer.results.get("services-from-cache") else 0
    resolved = lambda: rig.client.get(path, "Device1", "ServicesResolved")
    await until(resolved, "BlueZ: ServicesResolved is not true", patience)
    objects = (await rig.client.objects()).items()
    uuids = [interfaces["org.bluez.GattService1"]["UUID"] for other, interfaces in objects
             if other.startswith(path) and "org.bluez.GattService1" in interfaces]
    check(SERVICE_UUID in uuids, f"services on the bus: {uuids}")
    check(device in controller.links.values(), "the controller has no link")
    await until(rig.discovery_stopped, "no adapter discovers", 5)


async def check_failure(rig, answer, error, token, fastest, slowest):
    check(answer.error == error and answer.token == token, f"wanted {error} {token}, got {answer.text()}")
    check(fastest <= answer.seconds <= slowest, f"{answer.seconds:.1f} s, wanted {fastest} to {slowest}")
    await until(rig.discovery_stopped, "no adapter discovers", 5)


async def switch_off(rig, controller):
    path = f"/org/bluez/hci{controller.index}"
    await rig.client.set(path, "Adapter1", "Powered", "b", False)
    await until(lambda: is_off(rig, controller), "the adapter is off")


async def is_off(rig, controller):
    return await rig.client.get(f"/org/bluez/hci{controller.index}", "Adapter1", "Powered") is False


async def switch_on(rig, controller):
    await rig.client.set(f"/org/bluez/hci{controller.index}", "Adapter1", "Powered", "b", True)
    await until(lambda: rig.powered(controller), "the adapter is on")
