"""The native engine: what `media/native.py` wraps.

Times are monotonic seconds, rates bit/s, ids as in `media.engine`.
"""

from collections.abc import Sequence
from typing import final

__all__ = ["Load", "Relay", "__version__"]

__version__: str

@final
class Load:
    """The load generator; `bench/load.py` says what its arguments and its report hold."""

    def __new__(cls, legs: object, checks: object, port: int) -> Load: ...
    def run(self, shape: object, seconds: float, rate: float) -> None: ...
    def reset(self) -> None: ...
    def report(self) -> dict[str, float]: ...

@final
class Relay:
    """Passes datagrams from one address to another: what the engine is measured against, in the same shell.

    `gso` is for UDP GRO as well; `batch` messages are read at once, and naps last up to `nap_s`. Keys are those of each
    side: profile (its IANA number), what it sends with, what it receives with; with them RTP is unprotected and protected.
    """

    def __new__(
        cls,
        addresses: Sequence[str],
        port: int,
        gso: bool,
        batch: int = 128,
        nap_s: float = 0.0005,
        stamps: bool = True,
    ) -> Relay: ...
    def add_pair(
        self,
        first: tuple[str, int],
        second: tuple[str, int],
        keys: tuple[tuple[int, bytes, bytes], tuple[int, bytes, bytes]] | None = None,
    ) -> None: ...
    def start(self) -> None: ...
    def address(self) -> tuple[str, int]: ...
    def thread_id(self) -> int: ...
    def counters(self) -> dict[str, int]: ...
    def stop(self) -> None: ...
