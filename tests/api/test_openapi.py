import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.openapi import IDS, document
from api.routes import ROUTES
from tests.api.conftest import Door

DOCUMENT = document(ROUTES, version="1.2.3", public_url="https://visits.example.org")
OPERATIONS = [
    pytest.param(method, path, operation, id=operation["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


async def test_it_is_served(door: Door) -> None:
    answer = await door.ask("GET", "/openapi.json", key=None)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json == document(ROUTES, version="1.2.3", public_url=door.url)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_operation_says_who_may_and_what_goes_wrong(method: str, path: str, operation: dict[str, Any]) -> None:
    statuses = operation["responses"].keys()
    assert {"500", "503"} <= statuses
    assert ("401" in statuses) >= bool(operation["security"])
    assert ("404" in statuses) >= ("{" in path)
    assert ("requestBody" in operation) <= ({"400", "413", "415"} <= statuses)


def test_operation_ids_are_those_that_clients_were_generated_from() -> None:
    served = {operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()}
    assert served == {
        "acceptInvitation",
        "addLink",
        "addPasskey",
        "addRelation",
        "addSeat",
        "addServiceAccount",
        "addTreating",
        "askForEmail",
        "askForPasskey",
        "askForPasskeyAgain",
        "beginTotp",
        "changeClinic",
        "changeMe",
        "changeMember",
        "changePatient",
        "changeServiceAccount",
        "confirmEmail",
        "confirmTotp",
        "createClinic",
        "createInvitation",
        "createPatient",
        "createVisit",
        "deactivateMember",
        "endEmergency",
        "endRelation",
        "endVisit",
        "erasePatient",
        "exchangeLink",
        "exportPatient",
        "findDuplicates",
        "grantToken",
        "isAlive",
        "isReady",
        "issueToken",
        "listAccesses",
        "listClinics",
        "listEmergencies",
        "listErasures",
        "listInvitations",
        "listPeople",
        "listRelationInvitations",
        "listRelations",
        "listServiceAccounts",
        "listSessions",
        "lookAtInvitation",
        "makePasskey",
        "mergePatients",
        "proveAgain",
        "provePasskey",
        "proveRecoveryCode",
        "proveTotp",
        "reactivateMember",
        "readAudit",
        "readClinic",
        "readErasure",
        "readFactors",
        "readKeys",
        "readMe",
        "readMember",
        "readMetrics",
        "readOpenApi",
        "readOutbox",
        "readPatient",
        "readRelation",
        "readSeat",
        "readSignInWays",
        "readServiceAccount",
        "readVisit",
        "removePasskey",
        "removeServiceAccount",
        "removeTotp",
        "removeTreating",
        "renewRecoveryCodes",
        "revokeLink",
        "revokeOtherSessions",
        "revokeSession",
        "searchPatients",
        "sendSignInCode",
        "setPassword",
        "signInWithCode",
        "signInWithFirebase",
        "signInWithLink",
        "signInWithPassword",
        "signOut",
        "takeEmergency",
        "unmergePatients",
        "withdrawInvitation",
        "withdrawRelationInvitation",
    }


@pytest.mark.parametrize(
    ("operation", "schemes"),
    [
        ("createVisit", ["service", "token"]),
        ("endVisit", ["service", "token", "session"]),
        ("signOut", ["token", "session"]),
        ("readSeat", ["seat"]),
        ("exchangeLink", []),
        ("isReady", []),
    ],
)
def test_credentials_follow_from_the_access_table(operation: str, schemes: list[str]) -> None:
    found = next(each.values[2] for each in OPERATIONS if each.id == operation)
    assert [scheme for need in found["security"] for scheme in need] == schemes  # type: ignore[index]


def test_whatever_is_made_is_linked_to_what_can_be_done_with_it() -> None:
    made = {each.id: each.values[2]["responses"].get("201", {}).get("links", {}) for each in OPERATIONS}  # type: ignore[index]
    assert {"readVisit", "endVisit", "addSeat"} <= made["createVisit"].keys()
    assert made["createPatient"]["readPatient"]["parameters"] == {"patient": "$response.body#/id"}
    assert made["addSeat"]["addLink"]["parameters"] == {
        "visit": "$request.path.visit",
        "seat": "$response.body#/id",
    }
    assert made["createInvitation"].keys() == {"withdrawInvitation"}


def test_two_addresses_that_could_be_one_are_told_apart_by_how_ids_begin() -> None:
    described = {
        parameter["name"]: parameter["schema"]["pattern"]
        for each in OPERATIONS
        for parameter in each.values[2].get("parameters", [])  # type: ignore[union-attr]
        if parameter.get("in") == "path"
    }
    assert described.keys() == IDS.keys()
    for taken in ("options", "revoke-others"):
        assert not any(re.fullmatch(pattern, taken) for pattern in described.values())
