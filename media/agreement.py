"""The one video codec that everybody in a room sends, chosen so that everybody can decode it. Nothing is transcoded.

It changes at once when somebody can't follow. It goes back to a better one only when that has been possible for
`HOLD_S`: a page that is reloaded leaves and comes back within seconds, and each change costs every sender a key frame.
"""

from collections.abc import Sequence, Set

from media.engine import Codec

HOLD_S = 20.0

_SAFEST_H264 = (
    "42e0/1"  # constrained baseline in mode 1, the one profile that every WebRTC endpoint has (RFC 7742 §6.2)
)


def choose(preference: Sequence[str], abilities: Sequence[Set[Codec]]) -> Codec | None:
    """Return the first codec by `preference` (names) that most of `abilities` have; all of them if there is such a one.

    Each of `abilities` is what one participant can send or can decode. None if nobody has any codec.
    """
    rank = {name: at for at, name in enumerate(preference)}
    known = sorted(
        {codec for ability in abilities for codec in ability if codec.name in rank},
        key=lambda codec: (rank[codec.name], codec.variant != _SAFEST_H264, codec.variant),
    )
    return max(known, key=lambda codec: sum(codec in ability for ability in abilities), default=None)


class Agreement:
    """`codec` is the one in force; None until somebody with video is there."""

    def __init__(self, preference: Sequence[str]) -> None:
        self._preference = tuple(preference)
        self._better_since: float | None = None
        self._abilities: Sequence[Set[Codec]] = ()  # as of the last update, and the best for them
        self._best: Codec | None = None
        self.codec: Codec | None = None

    @property
    def name(self) -> str:
        return self._preference[0] if self.codec is None else self.codec.name

    @property
    def waits(self) -> bool:
        """Whether time alone may change it."""
        return self._better_since is not None

    def update(self, abilities: Sequence[Set[Codec]], now: float) -> Codec | None:
        """Take in what those present can do; return the codec in force from now on."""
        if abilities != self._abilities:
            self._abilities, self._best = abilities, choose(self._preference, abilities)
        best = self._best
        usable = self.codec is not None and all(self.codec in ability for ability in abilities)
        if best is None or best == self.codec:
            self._better_since = None
        elif not usable or self._held(now):
            self.codec, self._better_since = best, None
        return self.codec

    def _held(self, now: float) -> bool:
        if self._better_since is None:
            self._better_since = now
        return now - self._better_since >= HOLD_S
