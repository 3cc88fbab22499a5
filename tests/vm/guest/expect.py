# How a scenario says what it expects: now, or within a time.
import asyncio
import time

class Failed(Exception):
    """An expectation that was not met: the scenario has failed."""


def check(condition, text):
    if not condition:
        raise Failed(text)


async def until(condition, text, seconds=10.0):
    """Waits for a condition, a plain function or a coroutine function, or fails the scenario."""
    deadline = time.monotonic() + seconds
    while True:
        met = condition()
        if asyncio.iscoroutine(met):
            met = await met
        if met:
            return met
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds:g} s: {text}")
        await asyncio.sleep(0.02)
