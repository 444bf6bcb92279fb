"""Who is in a visit, and what each may see of it.

One rule (`may_see`): clinicians see every seat and are seen by everyone; whoever was let in sees the others who were;
whoever waits sees themselves and the clinicians. What was last shown to each viewer is kept, so any change (somebody
came, was let in, muted, was added by the clinic) becomes messages in one way: `changes` compares and returns what is
new. With at most eight seats a visit that costs less than remembering who has to be told what. Sight only ever widens.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from medinova_rt.ids import SeatId
from medinova_rt.principals import Role
from medinova_rt.visits import Seat
from signaling.messages import Participant, Phase


class Presence:
    def __init__(self) -> None:
        self._seats: dict[SeatId, Participant] = {}
        self._admitted: set[SeatId] = set()
        self._here: set[SeatId] = set()
        self._shown: dict[SeatId, dict[SeatId, Participant]] = {}  # viewer → what they were last told of whom

    def learn(self, seats: Iterable[Seat]) -> None:
        """Take over what the visit's document says; seats and admissions never go, so an old copy does no harm."""
        for seat in seats:
            if seat.admitted or seat.role is Role.CLINICIAN:
                self._admitted.add(seat.id)
            known = self._seats.get(seat.id)
            if known is None:
                self._seats[seat.id] = Participant(seat=seat.id, role=seat.role, name=seat.name, phase="away")
            self._settle(seat.id)

    def admitted(self, seat: SeatId) -> bool:
        return seat in self._admitted

    def appear(self, seat: SeatId) -> None:
        """Here, with nothing on until they say so."""
        self._here.add(seat)
        self._reset(seat)

    def vanish(self, seat: SeatId) -> None:
        self._here.discard(seat)
        self._reset(seat)

    def show(self, seat: SeatId, **changes: Any) -> None:
        """Set fields of the seat's `Participant`: microphone, camera, screen, interrupted, network."""
        self._seats[seat] = msgspec.structs.replace(self._seats[seat], **changes)

    def snapshot(self, viewer: SeatId) -> list[Participant]:
        """All that `viewer` may see, in order of seats; from now on `changes` tells them what differs from it."""
        view = self._view(viewer)
        self._shown[viewer] = view
        return list(view.values())

    def forget(self, viewer: SeatId) -> None:
        """Tell them nothing more."""
        self._shown.pop(viewer, None)

    def changes(self) -> list[tuple[SeatId, Participant]]:
        """What each viewer has to be told since the last time, as (viewer, participant)."""
        told = []
        for viewer, shown in self._shown.items():
            view = self._view(viewer)
            told += [(viewer, each) for each in view.values() if shown.get(each.seat) != each]
            self._shown[viewer] = view
        return told

    def may_see(self, viewer: SeatId, seat: SeatId) -> bool:
        return (
            viewer == seat
            or Role.CLINICIAN in (self._seats[viewer].role, self._seats[seat].role)
            or (viewer in self._admitted and seat in self._admitted)
        )

    def _view(self, viewer: SeatId) -> dict[SeatId, Participant]:
        return {seat: shown for seat, shown in self._seats.items() if self.may_see(viewer, seat)}

    def _reset(self, seat: SeatId) -> None:
        known = self._seats[seat]
        self._seats[seat] = Participant(seat=seat, role=known.role, name=known.name, phase=known.phase)
        self._settle(seat)

    def _settle(self, seat: SeatId) -> None:
        phase: Phase = "away"
        if seat in self._here:
            phase = "present" if seat in self._admitted else "waiting"
        self.show(seat, phase=phase)
