"""Records as AuditEvents: valid FHIR R4, with what the BALP profiles ask for."""

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from medinova_rt import audit, balp, documents
from medinova_rt.audit import Outcome, Record
from medinova_rt.grants import Standing
from medinova_rt.ids import ClinicId, GrantId, PatientId, SessionId, UserId
from medinova_rt.principals import Person, Service, System
from medinova_rt.rights import Action

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fhir.resources.R4B.auditevent import AuditEvent
    from fhir.resources.R4B.bundle import Bundle

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
CLINIC = ClinicId("cli-1")
ADA = Person(
    UserId("usr-1"),
    SessionId("ses-1"),
    Standing(),
    True,
    NOW,
    address="192.0.2.1",
    role="clinician",
    grant=GrantId("gra-1"),
)
WHO = [ADA, Service(CLINIC), System()]


def made(who: audit.Actor, action: str, patient: str | None = "pat-1", outcome: Outcome = "done") -> dict[str, Any]:
    written = audit.record(
        who, action, NOW, clinic=CLINIC, patient=PatientId(patient) if patient else None, outcome=outcome
    )
    return balp.event(documents.decode(Record, written.document, audit.SCHEMA, {}), "https://visits.example.org")


def codes(event: Mapping[str, Any]) -> list[str]:
    return [agent["type"]["coding"][0]["code"] for agent in event["agent"]]


@pytest.mark.parametrize("who", WHO, ids=lambda each: each.kind)
@pytest.mark.parametrize("patient", ["pat-1", None])
@pytest.mark.parametrize("action", list(Action))
def test_every_act_makes_a_valid_event(action: Action, patient: str | None, who: audit.Actor) -> None:
    for outcome in ("done", "denied", "repeated"):
        event = made(who, action, patient, outcome)
        AuditEvent.model_validate(event)
        assert sum(agent["requestor"] for agent in event["agent"]) == 1
        assert all("network" in agent for agent in event["agent"][:2])
        assert [agent for agent in event["agent"][2:] if "network" in agent] == []
        assert len(event["entity"]) == 1 + (patient is not None)


PROFILES = [
    ("patient.read", "PatientRead", "R", "read", ["110152", "110153", "IRCP"]),
    ("patient.accesses", "PatientRead", "R", "read", ["110152", "110153", "IRCP"]),
    ("patient.find", "PatientQuery", "E", "search", ["110153", "110152", "IRCP"]),
    ("patient.create", "PatientCreate", "C", "create", ["110153", "110152", "AUT"]),
    ("patient.change", "PatientUpdate", "U", "update", ["110153", "110152", "AUT"]),
    ("link.revoke", "PatientDelete", "D", "delete", ["110150", "custodian", "AUT"]),
]


@pytest.mark.parametrize(("action", "profile", "code", "interaction", "agents"), PROFILES)
def test_the_codes_are_those_of_the_profile(
    action: str, profile: str, code: str, interaction: str, agents: list[str]
) -> None:
    event = made(ADA, action)
    assert event["meta"]["profile"] == [
        f"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.{profile}"
    ]
    assert (event["type"]["code"], event["action"], event["outcome"]) == ("rest", code, "0")
    assert event["subtype"][0] == {
        "system": "http://hl7.org/fhir/restful-interaction",
        "code": interaction,
        "display": interaction,
    }
    assert codes(event) == agents
    data, patient = event["entity"]
    assert (data["type"]["code"], data["role"]["code"]) == ("2", "24" if interaction == "search" else "4")
    assert ("query" in data, "what" in data) == (interaction == "search", interaction != "search")
    assert (patient["type"]["code"], patient["role"]["code"]) == ("1", "1")
    assert patient["what"] == {"reference": "Patient/pat-1"}


def test_what_concerns_no_patient_has_the_profile_without_one() -> None:
    assert made(ADA, "clinic.read", None)["meta"]["profile"][0].endswith("IHE.BasicAudit.Read")


def test_what_was_refused_is_no_success_and_of_no_profile() -> None:
    event = made(ADA, "patient.read", outcome="denied")
    assert (event["outcome"], event.get("meta")) == ("4", None)


def test_signing_in_is_authentication() -> None:
    event = made(ADA, "sign-in", None)
    assert (event["type"]["code"], event["subtype"][0]["code"], event.get("meta")) == ("110114", "110122", None)


def test_a_page_is_a_bundle() -> None:
    page = balp.bundle([made(ADA, "patient.read")], "https://visits.example.org/v1/clinics/cli-1/audit?cursor=x")
    Bundle.model_validate(page)
    Bundle.model_validate(balp.bundle([], None))
