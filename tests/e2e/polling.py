"""Wait for something to become true, without sleeping longer than it takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

EVERY_S = 0.05


async def until(check: Callable[[], Awaitable[T | None]], what: str, within_s: float = 15) -> T:
    """Return the first true answer of `check`; after the deadline raises AssertionError with the last one."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not (answer := await check()):
        assert loop.time() < deadline, f"not within {within_s:g} s: {what} (last answer: {answer!r})"
        await asyncio.sleep(EVERY_S)
    return answer
