"""What one receiver is shown: who is in which of its slots, and which of their tracks that means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from media.lines import Place, Slot, Source
from media.slots import assign

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """`who`'s `source` belongs into `slot`; nobody's if `who` is None."""

    slot: Slot
    source: Source
    who: T | None


class View(Generic[T]):
    """Stable: whoever is shown stays in their slot (media/slots.py)."""

    def __init__(self) -> None:
        self._people: tuple[T | None, ...] = ()
        self._screens: tuple[T | None, ...] = ()

    def arrange(
        self, slots: Sequence[Slot], people: Sequence[T], spoke: Mapping[T, float], shared: Mapping[T, float]
    ) -> list[Shown[T]]:
        """Return all `slots`, in order. `people` by arrival; `spoke` and `shared`: when each last began to."""
        self._people = assign(_fit(self._people, slots, "person"), people, spoke)
        self._screens = assign(_fit(self._screens, slots, "screen"), list(shared), shared)
        return [self._shown(slot) for slot in slots]

    def _shown(self, slot: Slot) -> Shown[T]:
        if slot.place == "screen":
            return Shown(slot, "screen", self._screens[slot.number])
        return Shown(slot, "microphone" if slot.kind == "audio" else "camera", self._people[slot.number])


def _fit(occupants: tuple[T | None, ...], slots: Sequence[Slot], place: Place) -> tuple[T | None, ...]:
    """Slots come by later offers and, when a line is given up, go."""
    count = max((slot.number + 1 for slot in slots if slot.place == place), default=0)
    return (occupants + (None,) * count)[:count]
