import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medinova_rt import audit
from medinova_rt.breach import Question, acts
from medinova_rt.errors import BadInput
from medinova_rt.grants import Standing
from medinova_rt.ids import AuditId, ClinicId, PatientId, SessionId, UserId, VisitId
from medinova_rt.operations import breach_report
from medinova_rt.ports import Insert, Store
from medinova_rt.principals import Person, Service

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
CLINIC = ClinicId("cli-1")
EVE = Person(UserId("usr-eve"), SessionId("ses-1"), Standing(), True, NOW, address="192.0.2.7", role="front-desk")
BOB = Person(UserId("usr-bob"), SessionId("ses-2"), Standing(), True, NOW, address="2001:db8::7", role="clinician")
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
async def trail(store: Store) -> Store:
    told: list[tuple[audit.Actor, str, str | None, str | None, str]] = [
        (EVE, "patient.find", "pat-1", None, "done"),
        (EVE, "patient.read", "pat-1", None, "done"),
        (BOB, "patient.read", "pat-1", None, "done"),
        (EVE, "patient.read", "pat-2", None, "denied"),
        (EVE, "visit.read", None, "vis-1", "done"),
        (Service(CLINIC), "patient.read", "pat-3", None, "done"),
        (EVE, "patient.change", "pat-1", None, "repeated"),
    ]
    for n, (who, action, patient, visit, outcome) in enumerate(told):
        made = audit.record(
            who,
            action,
            NOW + timedelta(minutes=n),
            clinic=CLINIC,
            patient=None if patient is None else PatientId(patient),
            visit=None if visit is None else VisitId(visit),
            outcome=outcome,  # type: ignore[arg-type]
        )
        id_ = AuditId(f"aud-{n}")
        await store.transact([Insert(audit.COLLECTION, id_, {**made.document, "id": id_})])
    return store


def question(**said: str) -> Question:
    return Question(clinic=CLINIC, start=NOW, end=NOW + timedelta(hours=1), **said)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, "0123456"),
        ({"user": "usr-eve"}, "01346"),
        ({"session": "ses-2"}, "2"),
        ({"address": "2001:0db8:0:0::7"}, "2"),
        ({"address": "::ffff:192.0.2.7"}, "01346"),
        ({"patient": "pat-1"}, "0126"),
        ({"user": "usr-eve", "patient": "pat-2"}, "3"),
        ({"user": "usr-nobody"}, ""),
    ],
)
async def test_what_fits_is_found(trail: Store, said: dict[str, str], found: str) -> None:
    assert [each.id async for each in acts(trail, question(**said))] == [f"aud-{n}" for n in found]


async def test_only_within_the_time_asked_for(trail: Store) -> None:
    within = Question(clinic=CLINIC, start=NOW + timedelta(minutes=2), end=NOW + timedelta(minutes=5))
    assert [each.id async for each in acts(trail, within)] == ["aud-2", "aud-3", "aud-4"]


@pytest.mark.parametrize("form", ["text", "csv", "json"])
async def test_the_report_is_the_one_in_the_file(trail: Store, form: str) -> None:
    written = io.StringIO()
    asked = question(user="usr-eve")
    summary = await breach_report.tell(asked, acts(trail, asked), form, lambda line: print(line, file=written))
    assert (summary.records, summary.affected) == (5, 1)
    assert written.getvalue() == (DATA / f"breach-report.{form}").read_text()


@pytest.mark.parametrize("wrong", [{"address": "nowhere"}, {"end": NOW}])
def test_a_question_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Question(**{"clinic": CLINIC, "start": NOW, "end": NOW + timedelta(hours=1), **wrong})  # type: ignore[arg-type]
