"""Every route as everybody, before every thing: what is answered stands in a table of its own, and is asked for real.

A request is sent that nothing could come of (a key that is none, an answer that nobody can give), so that whoever gets
past the question of access is refused later, and nothing is changed. The table says who gets past (`may`) and who is
told that they may not (`403`); to everybody else there is no such thing (`404`), or they are strangers (`401`).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
import pytest_asyncio

from api.route import Route
from api.routes import ROUTES
from medinova_rt.access import Thing, require
from medinova_rt.errors import DomainError
from medinova_rt.ids import LinkId, SeatId, SessionId, UserId, VisitId
from medinova_rt.principals import Half, Principal, Role, SeatHolder, Service, Stranger
from medinova_rt.rights import Action
from signaling.session import ACTIONS
from tests.api.town import HERE, THERE, Answer, Town, town

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRANGERS = {"stranger", "seat-clinician", "seat-patient", "seat-carer", "seat-interpreter", "elsewhere-clinician"}
STAFF = {"treating", "emergency", "clinician", "front-desk", "billing", "administrator", "interpreter"}
FAMILY = {"self", "parent", "guardian", "carer", "carer-of-visits"}
SERVICES = {"service", "service-visits", "service-reads", "service-patients"}
ELSEWHERE = {
    "treating",
    "front-desk",
    "billing",
    "administrator",
    "interpreter",
    "self",
    "parent",
}  # at the other clinic
UNTIED = {"user", "once-parent", "weak", "operator", *(f"there/{who}" for who in ELSEWHERE)}
PERSONS = STAFF | FAMILY | UNTIED
EVERYBODY = STRANGERS | PERSONS | SERVICES | {"half", "there/service"}

GROUPS = {
    "anyone": EVERYBODY,
    "persons": PERSONS,
    "staff": STAFF,
    "clinicians": {"treating", "emergency", "clinician"},
    "at-bedside": {"treating", "emergency"},
    "family": FAMILY,
    "family-of-record": FAMILY - {"carer-of-visits"},
    "services": SERVICES,
    "offices": {"front-desk", "billing"},
    "registries": {"service", "service-reads", "service-patients"},
    "every-service": SERVICES | {"there/service"},
    "accounts": SERVICES - {"service"} | {"there/service"},
}

# Of the clinic's own things, the caller's own, and what belongs to nobody.
# operation | may | is told that they may not. (Nobody in town has a passkey.)
TABLE = """
createVisit          | service service-visits there/service | persons half service-reads service-patients
readVisit            | service service-visits front-desk    | service-reads service-patients
endVisit             | service service-visits front-desk    | service-reads service-patients
addSeat              | service service-visits front-desk    | service-reads service-patients
readSeat             | seat-patient                         | front-desk services
addLink              | service service-visits front-desk    | seat-patient service-reads service-patients
revokeLink           | service service-visits front-desk    | service-reads service-patients
exchangeLink         | anyone                               |

signInWithPassword   | anyone                               |
sendSignInCode       | anyone                               |
signInWithCode       | anyone                               |
signInWithLink       | anyone                               |
readSignInWays       | anyone                               |
signInWithFirebase   | anyone                               |
proveTotp            | half                                 | persons every-service
proveRecoveryCode    | half                                 | persons every-service
askForPasskey        | half                                 | persons every-service
provePasskey         | half                                 | persons every-service
proveAgain           | persons                              | half every-service
askForPasskeyAgain   | persons                              | half every-service
readFactors          | persons                              | half every-service
askForEmail          | persons                              | half every-service
confirmEmail         | persons                              | half every-service
setPassword          | persons                              | half every-service
beginTotp            | persons                              | half every-service
confirmTotp          | persons                              | half every-service
removeTotp           | persons                              | half every-service
makePasskey          | persons                              | half every-service
addPasskey           | persons                              | half every-service
removePasskey        |                                      |
renewRecoveryCodes   | persons                              | half every-service
readMe               | persons                              | half every-service
changeMe             | persons                              | half every-service

listClinics          | persons                              | half every-service
createClinic         | operator                             | persons half every-service
readClinic           | staff services operator              |
changeClinic         | administrator                        | staff services operator
listPeople           | clinicians offices administrator     | interpreter services operator
readMember           | clinicians offices administrator     |
changeMember         | administrator                        | clinicians offices
deactivateMember     | administrator                        | clinicians offices
reactivateMember     | administrator                        | clinicians offices
listInvitations      | administrator                        | staff services operator
createInvitation     | administrator                        | staff services operator
withdrawInvitation   | administrator                        |
lookAtInvitation     | anyone                               |
acceptInvitation     | anyone                               |

signOut              | persons half                         | every-service
listSessions         | persons                              | half every-service
revokeSession        | self                                 |
revokeOtherSessions  | persons                              | half every-service
issueToken           | persons                              | half every-service
grantToken           | anyone                               |
readKeys             | anyone                               |
listServiceAccounts  | administrator                        | staff operator services
addServiceAccount    | administrator                        | staff operator services
readServiceAccount   | administrator                        |
changeServiceAccount | administrator                        |
removeServiceAccount | administrator                        |

searchPatients       | clinicians offices administrator registries | interpreter operator service-visits
findDuplicates       | clinicians offices administrator registries | interpreter operator service-visits
createPatient        | clinicians front-desk service service-patients | billing administrator interpreter operator
                     |                                      | service-visits service-reads
readPatient          | at-bedside offices administrator registries family-of-record | clinician carer-of-visits
changePatient        | at-bedside front-desk service service-patients family-of-record | clinician billing administrator
                     |                                      | service-reads carer-of-visits
mergePatients        | front-desk administrator             | clinicians billing registries family
unmergePatients      | front-desk administrator             | clinicians billing registries family
addTreating          | front-desk administrator             | clinicians billing registries family
removeTreating       | front-desk administrator             | clinicians billing registries family
listRelations        | at-bedside front-desk administrator self | clinician billing registries family
addRelation          | front-desk administrator             | clinicians billing registries family
readRelation         | at-bedside front-desk administrator self |
endRelation          | front-desk administrator self        | at-bedside
listRelationInvitations    | front-desk administrator       | clinician at-bedside billing registries family
withdrawRelationInvitation | front-desk administrator       | at-bedside self
takeEmergency        | clinicians                           | offices administrator registries family
listAccesses         | administrator family-of-record       | clinicians offices carer-of-visits registries
listEmergencies      | administrator                        | staff operator services
endEmergency         | administrator                        |
exportPatient        | administrator family-of-record       | clinicians offices carer-of-visits registries
erasePatient         | administrator                        | clinicians offices registries family
readAudit            | administrator                        | staff operator services
listErasures         | administrator                        | staff operator services
readErasure          | administrator                        |

readOutbox           | operator                             |
isAlive              | anyone                               |
isReady              | anyone                               |
readMetrics          | service operator                     | persons half accounts
readOpenApi          | anyone                               |
readDocs             | anyone                               |
readDocsStyle        | anyone                               |
openHome             | anyone                               |
openSignIn           | anyone                               |
openInvitation       | anyone                               |
openProfile          | anyone                               |
openPeople           | anyone                               |
openPatients         | anyone                               |
openAccesses         | anyone                               |
openOutbox           | anyone                               |
openJoin             | anyone                               |
openVisit            | anyone                               |
readIcon             | anyone                               |
readAsset            | anyone                               |
"""

HOPELESS = {"Accept": "image/nothing", "Idempotency-Key": '"'}  # asked after access, and refused


class Row(NamedTuple):
    may: frozenset[str]
    told: frozenset[str]

    def expected(self, who: str) -> str:
        if who in self.may:
            return "may"
        if who in self.told:
            return "403"
        return "401" if who in STRANGERS else "404"


def everybody(names: str) -> frozenset[str]:
    return frozenset(who for name in names.split() for who in GROUPS.get(name, {name}))


def rows() -> Iterator[tuple[str, Row]]:
    """A line that names no operation goes on with the one above."""
    joined = re.sub(r"\n +\|[^|]*\|", " ", TABLE)
    for line in filter(None, joined.splitlines()):
        operation, may, told = (cell.strip() for cell in line.split("|"))
        yield operation, Row(everybody(may), everybody(told) - everybody(may))


ROWS = dict(rows())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def built(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("town")) as made:
        yield made


def ruling(answer: Answer) -> str:
    match answer.status:
        case 401 | 404:
            return str(answer.status)
        case 403:
            return "403" if answer.code == "forbidden" else answer.code
        case _:
            return "may"


def path(route: Route, ids: dict[str, str]) -> str:
    return route.template.format(**{"name": "page.js", **ids})


async def everyone_asks(town: Town, route: Route, ids: dict[str, str]) -> dict[str, Answer]:
    async def ask(who: str) -> Answer:
        return await town.ask(who, route.method, path(route, ids), HOPELESS)

    asked = sorted(EVERYBODY) if not route.is_public else ["stranger", "user", "service"]
    return dict(zip(asked, await asyncio.gather(*map(ask, asked)), strict=True))


async def test_there_is_a_row_for_every_route_and_none_besides() -> None:
    assert ROWS.keys() == {route.operation for route in ROUTES}


async def test_rows_name_whom_there_is(built: Town) -> None:
    assert {who for row in ROWS.values() for who in (*row.may, *row.told)} <= EVERYBODY
    assert built.people.keys() == EVERYBODY


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
async def test_before_what_there_is(built: Town, route: Route) -> None:
    answers = await everyone_asks(built, route, built.ids)
    row = ROWS[route.operation]
    found = {who: ruling(answer) for who, answer in answers.items()}
    assert found == {who: row.expected(who) for who in answers}


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.parameters and not route.is_public], ids=lambda route: route.operation
)
async def test_what_there_is_not_looks_like_what_one_may_not_see(built: Town, route: Route) -> None:
    """Whichever of the path's ids is made up: the same answer, to the byte, as to a thing kept from the caller."""
    there = await everyone_asks(built, route, built.ids)
    row = ROWS[route.operation]
    deepest = route.parameters.index(route.thing)  # what stands behind it in the path is looked at after access
    for name in route.parameters[: deepest + 1]:
        made_up = {**built.ids, name: f"{built.ids[name][:4]}06ev2x3k8m0000000000000000"}
        nowhere = await everyone_asks(built, route, made_up)
        expected = {who: "401" if who in STRANGERS else "404" for who in nowhere}
        assert {who: ruling(answer) for who, answer in nowhere.items()} == expected, name
        hidden = {who for who in nowhere if row.expected(who) == "404"}
        assert all(nowhere[who].told == there[who].told for who in hidden)
        assert len({answer.told for who, answer in nowhere.items() if expected[who] == "404"}) == 1


# --- the messages of a visit's socket ---------------------------------------------------------------------------------

# message | may, of their own seat | may, of another's seat of the same visit
MESSAGES = """
hello   | clinician patient carer interpreter |
offer   | clinician patient carer interpreter |
status  | clinician patient carer interpreter |
network | clinician patient carer interpreter |
chat    | clinician patient carer interpreter |
leave   | clinician patient carer interpreter |
pong    | clinician patient carer interpreter |
admit   | clinician                           | clinician
end     | clinician                           | clinician
"""


def messages() -> Iterator[tuple[str, set[str], set[str]]]:
    for line in MESSAGES.strip().splitlines():
        message, own, others = (cell.strip() for cell in line.split("|"))
        yield message, set(own.split()), set(others.split())


async def test_there_is_a_row_for_every_message_and_none_besides() -> None:
    assert {name for name, _, _ in messages()} == {kind.__struct_config__.tag for kind in ACTIONS}


@pytest.mark.parametrize(("message", "own", "others"), list(messages()))
async def test_who_may_send_what(message: str, own: set[str], others: set[str]) -> None:
    action = next(action for kind, action in ACTIONS.items() if kind.__struct_config__.tag == message)
    visit, mine, now = VisitId("vis-1"), SeatId("sea-mine"), datetime.now(UTC)
    for role in Role:
        holder = SeatHolder(HERE, visit, mine, role, LinkId("lnk-1"))
        for seat, may in ((mine, own), (SeatId("sea-other"), others)):
            assert said(holder, action, Thing(HERE, visit, seat, "visit"), now) == (
                "may" if role in may else "forbidden"
            )
        for elsewhere in (Thing(HERE, VisitId("vis-2"), mine, "visit"), Thing(THERE, visit, mine, "visit"), Thing()):
            assert said(holder, action, elsewhere, now) == "not-found"
    for other in (Service(HERE), Stranger(), Half(UserId("usr-1"), SessionId("ses-1"))):
        if message != "end":  # which the clinic's systems may, too, by REST
            assert said(other, action, Thing(HERE, visit, mine, "visit"), now) != "may"


def said(principal: Principal, action: Action, thing: Thing, now: datetime) -> str:
    try:
        require(principal, action, thing, now)
    except DomainError as error:
        return error.code
    return "may"
