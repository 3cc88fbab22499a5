# Runs the scenarios one after another on one daemon and writes the table: all of them, or those whose names contain
# a word of the command line.
import asyncio
import sys
import time
import traceback

# the order of these is the order of the table
import scenarios_connect  # noqa: F401
import scenarios_sharing  # noqa: F401
import scenarios_maintain  # noqa: F401
import scenarios_cache  # noqa: F401
import scenarios_pairing  # noqa: F401
import scenarios_faults  # noqa: F401
from expect import Failed
from rig import Rig, Row
from stack import OUT
from stage import SCENARIOS

HEAD = "| scenario | result | seconds | BlueZ afterwards |\n|---|---|---|---|\n"


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


async def play(rig, function):
    """One scenario with its clean-up; returns its row, and whether it passed."""
    began = time.monotonic()
    problems, row = [], None
    try:
        row = await function(rig)
    except Failed as failure:
        problems.append(str(failure))
    except Exception as error:
        rig.log(traceback.format_exc())
        problems.append(f"{type(error).__name__}: {error}")
    for clean_up in (rig.nothing_left, rig.unplug_all):
        try:
            await clean_up()
        except Exception as error:
            problems.append(f"left over: {error}")
    for task in rig.tasks:
        task.cancel()
    await asyncio.gather(*rig.tasks, return_exceptions=True)
    rig.tasks.clear()
    rig.monitor.forget()
    row = row or Row("", time.monotonic() - began, "")
    if problems:
        rig.log("step: FAILED", "; ".join(problems))
        row = row._replace(text=f"{row.text} FAILED: {'; '.join(problems)}".strip())
    return row, not problems


async def main(words):
    rig = Rig()
    await rig.start()
    passed = failed = 0
    with open(f"{OUT}/table.md", "w", buffering=1) as table:
        table.write(HEAD)
        for name, function in SCENARIOS:
            if words and not any(word in name for word in words):
                continue
            rig.log(f"======== {name}")
            began = time.monotonic()
            row, good = await play(rig, function)
            table.write(f"| {name} | {cell(row.text)} | {row.seconds:.1f} | {cell(row.state)} |\n")
            print(f"{'ok  ' if good else 'FAIL'} {time.monotonic() - began:5.1f} s  {name}: {row.text}", flush=True)
            passed, failed = passed + good, failed + (not good)
            if rig.daemon.returncode is not None:
                await rig.start_daemon()
            if rig.bluetoothd.returncode is not None:
                await rig.start_bluetoothd()
    rig.hci_log.terminate()
    rig.hci_log.wait()
    with open(f"{OUT}/status", "w") as status:
        status.write(f"{passed} passed, {failed} failed\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
