"""The native engine: what `media/native.py` wraps.

Times are monotonic seconds, rates bit/s, ids as in `media.engine`.
"""

from typing import final

__all__ = ["Load", "__version__"]

__version__: str

@final
class Load:
    """The load generator; `bench/load.py` says what its arguments and its report hold."""

    def __new__(cls, legs: object, checks: object, port: int) -> Load: ...
    def run(self, shape: object, seconds: float, rate: float) -> None: ...
    def reset(self) -> None: ...
    def report(self) -> dict[str, float]: ...
