"""Argon2id in two threads: the event loop never hashes, and nobody waits longer than stated.

Parameters are OWASP's first choice (19 MiB, 2 passes, 1 lane). They are part of each hash, so one made with others is
still verified, and is made anew at its owner's next sign-in.

Bounds: `THREADS` at work, at most `MAX_WAITING` in line, each for at most `WAIT_S`; beyond that Unavailable. A thread
stays taken until its hash is done, also when whoever asked has gone.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from medinova_rt.errors import Unavailable

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

THREADS = 2
MAX_WAITING = 500
WAIT_S = 5.0

COUNTS = ("hashed", "refused")

T = TypeVar("T")


class Argon2Hashing:
    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        max_waiting: int = MAX_WAITING,
        wait_s: float = WAIT_S,
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES, type=Type.ID)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._free = asyncio.Semaphore(THREADS)
        self._waiting = 0
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._nobodys: str | None = None

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`, and how many are `waiting` now."""
        return {**self._counts, "waiting": self._waiting}

    async def open(self) -> None:
        self._nobodys = await self.make(os.urandom(16).hex())

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def make(self, password: str) -> str:
        """Return the hash in PHC form. Raises Unavailable, as `verify` does."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, known: str | None, password: str) -> bool:
        """Whether it is the password of that hash; without one it takes as long, and is not."""
        if self._nobodys is None:
            raise RuntimeError("hashing is not open")
        against = known or self._nobodys
        return await self._run(lambda: self._verify(against, password)) and known is not None

    def is_outdated(self, known: str) -> bool:
        """Whether the hash was made with other parameters than those in force."""
        return self._hasher.check_needs_rehash(known)

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        await self._take()
        future: Future[T] = self._pool.submit(work)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: _back(loop, self._free.release))
        value = await asyncio.wrap_future(future)
        self._counts["hashed"] += 1
        return value

    async def _take(self) -> None:
        if self._waiting >= self._max_waiting:
            self._counts["refused"] += 1
            raise Unavailable("too many are signing in at once; try again in a moment")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            self._counts["refused"] += 1
            raise Unavailable("too many are signing in at once; try again in a moment") from None
        finally:
            self._waiting -= 1


def _back(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call on the event loop, unless it is gone already."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        pass
