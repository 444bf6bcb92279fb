"""Who appears in which slot of one receiver: pure, stable, the same for every receiver with the same history.

A person stays in a slot for as long as they are shown, whoever else comes and goes. With more people than slots, the
latest speakers are shown; somebody shown gives way only to somebody who spoke later.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def assign(slots: Sequence[T | None], present: Sequence[T], latest: Mapping[Any, float]) -> tuple[T | None, ...]:
    """Return the slots' new occupants, given their old ones and those `present` in order of arrival.

    `latest` is when each last spoke (for screens: began to share), in s; who never did comes after all who did.
    """
    never = float("-inf")
    by_claim = sorted(present, key=lambda who: (-latest.get(who, never), who not in slots))
    shown = set(by_claim[: len(slots)])
    kept = [who if who in shown else None for who in slots]
    newcomers = iter([who for who in by_claim if who in shown and who not in kept])
    return tuple(next(newcomers, None) if who is None else who for who in kept)
