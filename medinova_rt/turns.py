"""Taking turns, so that what is counted before it is written is not counted by two at once.

    turn = await turns.turn(store, clinic, turns.place("accounts", clinic))  # first this,
    if await how_many() >= MAX: raise LimitReached(...)                      # then the counting
    await store.transact([..., turn])                                       # a Conflict: count anew

A store reads nothing inside a transact, so a bound over several documents would not hold where two look at the same
time, and both find room. The turn is a document that both would write: one of them can.
"""

from msgspec import Struct

from medinova_rt import documents
from medinova_rt.ids import ClinicId, derived_id
from medinova_rt.phi import Open
from medinova_rt.ports import Insert, Replace, Store, Write

COLLECTION = "turns"
SCHEMA = 1


class Turn(Struct, frozen=True, kw_only=True):
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    count: Open[int] = 1


def place(*whose: str) -> str:
    return derived_id("trn", *whose)


async def turn(store: Store, clinic: ClinicId, place: str) -> Write:
    """Return a write that only one of those who read at the same time can carry out; read it before looking."""
    stored = await store.get(COLLECTION, place)
    if stored is None:
        return Insert(COLLECTION, place, documents.encode(Turn(clinic=clinic)))
    count = documents.decode(Turn, stored.document, SCHEMA, {}).count + 1
    return Replace(COLLECTION, place, documents.encode(Turn(clinic=clinic, count=count)), stored.token)
