"""What the server says about itself: alive, and ready to be sent visits."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from msgspec import Struct

CHECK_S = 2.0  # a part that takes longer to answer is not ready

Phase = Literal["starting", "ready", "stopping"]


class Readiness(Struct, frozen=True, kw_only=True):
    """The answer of `/readyz`, and the line that the server writes when it has started."""

    status: Literal["starting", "ready", "stopping", "failing"]
    version: str
    url: str
    engine: str
    engine_why: str  # it is the reference engine, though nobody asked for that; else empty
    media_port: int
    media_addresses: Sequence[str]
    parts: dict[str, Literal["ok", "failing"]]


class Health:
    """Asks each part whether it works; parts are added as they open."""

    def __init__(self, version: str, url: str) -> None:
        self.version = version
        self.url = url
        self.phase: Phase = "starting"
        self.engine = ""
        self.engine_why = ""
        self.media_port = 0
        self.media_addresses: tuple[str, ...] = ()
        self._parts: dict[str, Callable[[], Awaitable[object]]] = {}
        self._spared: set[str] = set()

    def add(self, part: str, check: Callable[[], Awaitable[object]], *, spared: bool = False) -> None:
        """Have `check` awaited at each question; anything it raises means that the part fails.

        A part that can be `spared` for a while is shown as failing and leaves the server ready.
        """
        self._parts[part] = check
        if spared:
            self._spared.add(part)

    async def readiness(self) -> Readiness:
        answers = await asyncio.gather(*(_works(check) for check in self._parts.values()))
        works = dict(zip(self._parts, answers, strict=True))
        is_ready = all(ok for part, ok in works.items() if part not in self._spared)
        return Readiness(
            status="failing" if self.phase == "ready" and not is_ready else self.phase,
            version=self.version,
            url=self.url,
            engine=self.engine,
            engine_why=self.engine_why,
            media_port=self.media_port,
            media_addresses=self.media_addresses,
            parts={part: "ok" if ok else "failing" for part, ok in works.items()},
        )


async def _works(check: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(CHECK_S):
            await check()
    except Exception:
        return False
    return True
