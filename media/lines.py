"""What the lines of an offer are for, by their order: pure.

Of those by which the participant sends, the first audio line is the microphone, the first video line the camera, the
second the screen; further ones are rejected. Of those by which it receives, each is a slot. A video line joins the next
audio line that has none yet: the two always show one person. Where there is no such line it is a screen's slot. What a
slot was given by an earlier answer, it keeps: its place, its SSRCs, its CNAME and msid.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from media.answer import AcceptedSlot, AcceptedUp
from media.codecs import accept_up
from media.engine import Codec, Kind
from media.sdp import Offer, Section

MAX_SLOTS = 16  # of a place and kind; further lines are rejected

Source = Literal["microphone", "camera", "screen"]
Place = Literal["person", "screen"]
_Use = tuple[str, Place, int]  # kind, place, number


@dataclass(frozen=True, slots=True)
class Slot:
    """Audio and video of one `number` in the place "person" belong together."""

    place: Place
    number: int
    accepted: AcceptedSlot

    @property
    def kind(self) -> Kind:
        return self.accepted.codecs[0].codec.kind

    @property
    def mid(self) -> str:
        return self.accepted.section.mid


def accept_ups(offer: Offer, preference: Sequence[str], agreed: Codec | None = None) -> dict[Source, AcceptedUp]:
    """Return what the participant may send; of the codecs of each `agreed` first, the others by `preference`."""
    free: dict[str, list[Source]] = {"audio": ["microphone"], "video": ["camera", "screen"]}
    ups: dict[Source, AcceptedUp] = {}
    for section in offer.sections:
        if section.usable and section.direction in ("sendonly", "sendrecv") and free[section.media]:
            codecs = accept_up(section.codecs, preference, agreed)
            if codecs:
                ups[free[section.media].pop(0)] = AcceptedUp(section, codecs)
    return ups


def accept_slots(offer: Offer, before: Mapping[str, Slot], names: str, *, estimated: bool = False) -> dict[str, Slot]:
    """Return the slots by mid, in the order of the offer; `before` are those of the last answer.

    `names` tells this connection's CNAMEs from any other's; `estimated`: the engine reads transport-wide feedback.
    """
    sections = [
        section for section in offer.sections if section.usable and section.direction == "recvonly" and section.codecs
    ]
    taken = {ssrc for slot in before.values() for ssrc in (slot.accepted.ssrc, slot.accepted.rtx_ssrc)}
    used: set[_Use] = {(slot.kind, slot.place, slot.number) for slot in before.values()}
    slots: dict[str, Slot] = {}
    for section in sorted(sections, key=lambda one: one.media):  # audio first, for video lines join audio lines
        earlier = before.get(section.mid)
        if earlier is not None:
            slots[section.mid] = replace(earlier, accepted=_again(earlier.accepted, section))
            continue
        place, number = _next_place(section.media, used)
        if number < MAX_SLOTS:
            used.add((section.media, place, number))
            slots[section.mid] = Slot(place, number, _fresh(section, f"{place}-{number}", names, taken, estimated))
    return {section.mid: slots[section.mid] for section in sections if section.mid in slots}


def covers(later: Slot, first: Slot) -> bool:
    """Whether what the first answer agreed on still holds in a later one; the engine goes on with it."""
    was, now = first.accepted.parameters(), later.accepted.parameters()
    numbers = {(one.codec, one.payload_type) for one in later.accepted.codecs}
    return was.codecs.items() <= numbers and was.extensions.items() <= now.extensions.items()


def _next_place(media: str, used: set[_Use]) -> tuple[Place, int]:
    """Return the first place that is free: for video, beside an audio slot if there is one."""
    for number in range(MAX_SLOTS):
        if (media, "person", number) not in used and (media == "audio" or ("audio", "person", number) in used):
            return "person", number
    if media == "audio":
        return "person", MAX_SLOTS
    return "screen", next((at for at in range(MAX_SLOTS) if (media, "screen", at) not in used), MAX_SLOTS)


def _fresh(section: Section, stream: str, names: str, taken: set[int | None], estimated: bool) -> AcceptedSlot:
    """One person's microphone and camera share a stream and a CNAME: lip sync goes by them."""
    return AcceptedSlot(
        section,
        section.codecs,
        ssrc=_new_ssrc(taken),
        rtx_ssrc=_new_ssrc(taken) if section.media == "video" else None,
        cname=f"{names}-{stream}",
        stream=stream,
        track=f"{stream}-{section.media}",
        estimated=estimated,
    )


def _again(slot: AcceptedSlot, section: Section) -> AcceptedSlot:
    """A codec learned since (Firefox fetches H.264) is left out: the engine has no payload number for it."""
    known = {(one.codec, one.payload_type) for one in slot.codecs}
    kept = tuple(one for one in section.codecs if (one.codec, one.payload_type) in known)
    return replace(slot, section=section, codecs=kept or section.codecs)


def _new_ssrc(taken: set[int | None]) -> int:
    """Return an SSRC that is not taken, and take it."""
    while (ssrc := secrets.randbits(32)) in taken or ssrc == 0:
        pass
    taken.add(ssrc)
    return ssrc
