from datetime import UTC, datetime, timedelta

from medinova_rt import audit
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.ids import ClinicId, LinkId, SeatId, VisitId
from medinova_rt.principals import Role, SeatHolder, Service

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
CLINIC, VISIT, SEAT, LINK = ClinicId("cli-1"), VisitId("vis-1"), SeatId("sea-1"), LinkId("lnk-1")
PATIENT = SeatHolder(CLINIC, VISIT, SEAT, Role.PATIENT, LINK, "192.0.2.1")


def test_a_record_says_who_did_what_to_what_when_and_from_where() -> None:
    write = audit.record(PATIENT, "visit.join", NOW, clinic=CLINIC, visit=VISIT, seat=SEAT, link=LINK)
    document = dict(write.document)
    assert document.pop("id") == write.id
    assert document == {
        "clinic": "cli-1",
        "schema": 2,
        "at": "2026-11-24T10:00:00.000000Z",
        "actor_kind": "patient",
        "actor": "sea-1",
        "session": None,
        "grant": None,
        "action": "visit.join",
        "outcome": "done",
        "visit": "vis-1",
        "seat": "sea-1",
        "link": "lnk-1",
        "patient": None,
        "user": None,
        "about": None,
        "address": "192.0.2.1",
        "strand": None,
        "seq": None,
        "previous": None,
        "digest": None,
    }


async def test_the_trail_of_a_visit_is_in_order_of_time() -> None:
    store = MemoryStore(audit.FINDS)
    service = Service(CLINIC)
    acts = [("visit.end", 3), ("visit.create", 0), ("link.add", 1)]
    for action, seconds in acts:
        await store.transact(
            [audit.record(service, action, NOW + timedelta(seconds=seconds), clinic=CLINIC, visit=VISIT)]
        )
    await store.transact([audit.record(service, "visit.create", NOW, clinic=CLINIC, visit=VisitId("vis-2"))])
    assert [each.action for each in await audit.trail(store, VISIT)] == ["visit.create", "link.add", "visit.end"]
    assert [each.action for each in await audit.trail(store, VISIT, limit=1)] == ["visit.create"]
