"""Audit records as others read them: FHIR R4 AuditEvents by the profiles of IHE BALP 1.1 (Basic Audit Log Patterns).

A profile is for one kind of act (read, query, create, update, delete), with a patient or without, that succeeded; so an
attempt that was refused has the shape and names no profile. What was searched for is not kept, since that is about
people as well: the query of a search is the name of the act. Signing in and out are DICOM's user authentication, for
which BALP has no profile.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medinova_rt.audit import Record
from medinova_rt.ports import encode_instant

PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
TERMS = "http://terminology.hl7.org/CodeSystem/"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
SOURCE, DESTINATION = (DCM, "110153", "Source Role ID"), (DCM, "110152", "Destination Role ID")
RECIPIENT = (f"{TERMS}v3-ParticipationType", "IRCP", "information recipient")
AUTHOR = (f"{TERMS}v3-ParticipationType", "AUT", "author (originator)")

Json = dict[str, Any]
Code = tuple[str, str, str]  # system, code, display


@dataclass(frozen=True, slots=True)
class Pattern:
    """How BALP tells of one kind of act."""

    profile: str
    interaction: str
    action: str
    client: Code
    server: Code
    user: Code


READ = Pattern("Read", "read", "R", DESTINATION, SOURCE, RECIPIENT)
QUERY = Pattern("Query", "search", "E", SOURCE, DESTINATION, RECIPIENT)
CREATE = Pattern("Create", "create", "C", SOURCE, DESTINATION, AUTHOR)
UPDATE = Pattern("Update", "update", "U", SOURCE, DESTINATION, AUTHOR)
DELETE = Pattern(
    "Delete",
    "delete",
    "D",
    (DCM, "110150", "Application"),
    (f"{TERMS}provenance-participant-type", "custodian", "Custodian"),
    AUTHOR,
)

# by the last word of an action's name; whatever has no row changes something
PATTERNS: Mapping[str, Pattern] = {
    **dict.fromkeys(("read", "see", "accesses", "verify", "export"), READ),
    **dict.fromkeys(("find", "list"), QUERY),
    **dict.fromkeys(("create", "add", "say", "issue", "grant", "take", "join"), CREATE),
    **dict.fromkeys(("withdraw", "revoke", "remove"), DELETE),
}
AUTHENTICATION: Mapping[str, Code] = {
    "sign-in": (DCM, "110122", "Login"),
    "second-factor": (DCM, "110122", "Login"),
    "sign-out": (DCM, "110123", "Logout"),
}


def event(record: Record, server: str) -> Json:
    """`server`: the address by which it is known, which stands for what recorded it."""
    login = AUTHENTICATION.get(record.action)
    pattern = PATTERNS.get(record.action.rpartition(".")[2], UPDATE)
    made: Json = {
        "resourceType": "AuditEvent",
        "id": record.id,
        "type": _coding((DCM, "110114", "User Authentication"))
        if login
        else _coding((f"{TERMS}audit-event-type", "rest", "Restful Operation")),
        "subtype": [_coding(login or (INTERACTION, pattern.interaction, pattern.interaction))],
        "action": "E" if login else pattern.action,
        "recorded": encode_instant(record.at),
        "outcome": "4" if record.outcome == "denied" else "0",
        "outcomeDesc": record.outcome,
        "agent": _agents(record, pattern, server),
        "source": {
            "site": record.clinic,
            "observer": {"display": server},
            "type": [_coding((f"{TERMS}security-source-type", "4", "Application Server"))],
        },
        "entity": _entities(record, pattern),
    }
    if not login and record.outcome != "denied":
        patient = "Patient" if record.patient else ""
        made["meta"] = {"profile": [f"{PROFILES}{patient}{pattern.profile}"]}
    return made


def bundle(events: list[Json], next_link: str | None) -> Json:
    """A page of them, as the answer to a search."""
    made: Json = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in events]}
    if next_link:
        made["link"] = [{"relation": "next", "url": next_link}]
    if not events:
        del made["entry"]
    return made


def _agents(record: Record, pattern: Pattern, server: str) -> list[Json]:
    is_user = record.session is not None
    network = {"address": record.address, "type": "2"} if record.address else {"address": server, "type": "5"}
    client = {
        "type": _concept(pattern.client),
        "who": {"identifier": {"value": record.session or record.actor}},
        "requestor": not is_user,
        "network": network,
    }
    if not is_user:
        client["role"] = [{"text": record.actor_kind}]
    agents = [
        client,
        {
            "type": _concept(pattern.server),
            "who": {"display": server},
            "requestor": False,
            "network": {"address": server, "type": "5"},
        },
    ]
    if is_user:
        user: Json = {
            "type": _concept(pattern.user),
            "who": {"identifier": {"value": record.actor}},
            "requestor": True,
            "role": [{"text": record.actor_kind}],
        }
        if record.grant:
            user["policy"] = [f"urn:medinova:grant:{record.grant}"]
        agents.append(user)
    return agents


def _entities(record: Record, pattern: Pattern) -> list[Json]:
    thing: Json = {"type": _coding((f"{TERMS}audit-entity-type", "2", "System Object"))}
    if pattern is QUERY:
        thing["role"] = _coding((f"{TERMS}object-role", "24", "Query"))
        thing["query"] = base64.b64encode(record.action.encode()).decode()
    else:
        about = record.about or record.visit or record.user or record.patient or record.actor
        thing["role"] = _coding((f"{TERMS}object-role", "4", "Domain Resource"))
        thing["what"] = (
            {"reference": f"Patient/{about}"} if about == record.patient else {"identifier": {"value": about}}
        )
        thing["description"] = record.action
    entities = [thing]
    if record.patient:
        entities.append(
            {
                "what": {"reference": f"Patient/{record.patient}"},
                "type": _coding((f"{TERMS}audit-entity-type", "1", "Person")),
                "role": _coding((f"{TERMS}object-role", "1", "Patient")),
            }
        )
    return entities


def _coding(code: Code) -> Json:
    return {"system": code[0], "code": code[1], "display": code[2]}


def _concept(code: Code) -> Json:
    return {"coding": [_coding(code)]}
