"""One's own seat, for the page that opens before the WebSocket does."""

from msgspec import Struct

from api.call import CLINICS, PROTOCOL, VISITS, Call, Reply
from medinova_rt.ids import SeatId, VisitId
from medinova_rt.principals import Role, SeatHolder
from medinova_rt.visits import State


class OwnSeat(Struct, frozen=True):
    """What a person may know before joining: who they are here, whose visit it is, and whether it is still on."""

    visit: VisitId
    state: State
    seat: SeatId
    role: Role
    name: str
    clinic: str
    admitted: bool
    protocol: int


async def read(call: Call[None]) -> Reply:
    """Read one's own seat, by its cookie."""
    assert isinstance(call.principal, SeatHolder)
    visit, seat = await call.app[VISITS].read_seat(call.principal, call.now)
    clinic = await call.app[CLINICS].get(visit.clinic)
    return Reply(
        OwnSeat(
            visit=visit.id,
            state=visit.state,
            seat=seat.id,
            role=seat.role,
            name=seat.name,
            clinic=clinic.name,
            admitted=seat.admitted,
            protocol=call.app[PROTOCOL],
        )
    )
