"""A whole server with two clinics, and somebody of every kind signed in to it: for what is to be tried as everybody.

It is written straight into the store, so that it costs no passwords and stands whatever the use cases are; what is
asked of it goes the whole way from the socket to the disk.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from api import call
from medinova_rt import accounts, clinics, documents, emergency, erasures, grants, invited, patients, users
from medinova_rt.accounts import Account, Jwk
from medinova_rt.clinics import DEMO, Clinic
from medinova_rt.config import load
from medinova_rt.emergency import Emergency
from medinova_rt.erasures import Erasure
from medinova_rt.grants import FOREVER, Grant, Kind, Scope, StaffRole
from medinova_rt.ids import (
    AccountId,
    ClinicId,
    EmergencyId,
    ErasureId,
    GrantId,
    InvitationId,
    PatientId,
    SessionId,
    UserId,
    derived_id,
)
from medinova_rt.invited import Invitation
from medinova_rt.patients import Patient
from medinova_rt.ports import Insert, Replace
from medinova_rt.principals import Role, Service, ServiceScope
from medinova_rt.server import running
from medinova_rt.sessions import Sessions, Stage
from medinova_rt.users import User

HERE, THERE = DEMO.id, ClinicId("cli-there")  # HERE is whose the service key is
LONG_AGO = timedelta(days=1)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def code(self) -> str:
        try:
            return str(msgspec.json.decode(self.body).get("code", ""))
        except (msgspec.DecodeError, AttributeError):
            return ""

    @property
    def told(self) -> bytes:
        """The body, but for what differs between any two answers."""
        content = msgspec.json.decode(self.body)
        return msgspec.json.encode({name: each for name, each in content.items() if name != "request_id"})


# RFC 8037, appendix A.2: nobody in town signs with it
KEY = Jwk(kty="OKP", kid="town", crv="Ed25519", x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")


@dataclass
class Town:
    app: web.Application
    client: aiohttp.ClientSession
    people: dict[str, dict[str, str]] = field(default_factory=dict)  # who → the headers that they send
    ids: dict[str, str] = field(default_factory=dict)  # a path parameter → the one there is
    users: dict[str, UserId] = field(default_factory=dict)
    sessions: dict[str, SessionId] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.app[call.SETTINGS].public_url

    async def ask(self, who: str, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        url = URL(self.app[call.SETTINGS].public_url + path, encoded=True)
        said = {**self.people[who], **(headers or {})}
        async with self.client.request(method, url, headers=said, allow_redirects=False, **more) as response:
            return Answer(response.status, response.headers, await response.read())

    # --- who --------------------------------------------------------------------------------------------------------

    async def user(self, who: str, *, stage: Stage = Stage.FULL, strong: bool = True) -> UserId:
        """Make a user and sign them in."""
        now = self.app[call.CLOCK]()
        id_ = UserId(derived_id("usr", who))
        self.users[who] = id_
        email = f"{who.replace('/', '.')}@example.org"
        made = User(id=id_, email=email, name=who.title(), created_at=now - LONG_AGO)
        await self.insert(users.COLLECTION, made, [users.taking(email, id_)])
        session, cookie = await Sessions(self.app[call.STORE]).open(id_, stage=stage, strong=strong, now=now)
        self.sessions[who] = session.id
        self.people[who] = {"Cookie": f"{self.app[call.SETTINGS].session_cookie}={cookie}"}
        return id_

    async def member(self, who: str, clinic: ClinicId, *roles: StaffRole, **more: Any) -> UserId:
        user = await self.user(who, **more)
        await self.grant(clinic, user, Kind.MEMBER, roles=list(roles))
        return user

    async def acting(self, who: str, patient: PatientId, clinic: ClinicId, kind: Kind, *scope: Scope) -> None:
        await self.grant(clinic, await self.user(who), kind, patient=patient, scope=list(scope))

    async def grant(self, clinic: ClinicId, user: UserId, kind: Kind, **more: Any) -> GrantId:
        now = self.app[call.CLOCK]()
        given: Json = {"starts_at": now - LONG_AGO, "ends_at": FOREVER, **more}
        match kind:
            case Kind.EMERGENCY:
                id_ = emergency.grant_id(user, more["patient"])
            case Kind.MEMBER:
                id_ = GrantId(derived_id("gra", kind, clinic, user))
            case Kind.OPERATOR:
                id_ = GrantId(derived_id("gra", kind, user))
            case _:
                id_ = GrantId(derived_id("gra", user, more["patient"]))
        made = Grant(id=id_, clinic=clinic, user=user, kind=kind, created_at=now - LONG_AGO, **given)
        await self.insert(grants.COLLECTION, made)
        return made.id

    async def account(self, who: str, clinic: ClinicId, *scopes: ServiceScope) -> None:
        now = self.app[call.CLOCK]()
        id_ = AccountId(derived_id("acc", who))
        made = Account(id=id_, clinic=clinic, name=who, keys=[KEY], scopes=list(scopes), created_at=now)
        await self.insert(accounts.COLLECTION, made)
        token = self.app[call.TOKENS].for_account(id_, 1, scopes, now)
        self.people[who] = {"Authorization": f"Bearer {token}"}

    # --- what -------------------------------------------------------------------------------------------------------

    async def patient(self, id: str, clinic: ClinicId, treating: Sequence[UserId] = ()) -> PatientId:
        now = self.app[call.CLOCK]()
        made = Patient(
            id=PatientId(id),
            clinic=clinic,
            created_at=now,
            given="Pat",
            family=id.title(),
            birth_date=date(1980, 1, 2),
            language="en",
            zone="UTC",
            number=id,
            treating=list(treating),
        )
        await self.insert(patients.COLLECTION, made)
        return made.id

    async def insert(self, collection: str, struct: Any, along: Sequence[Any] = ()) -> None:
        await self.app[call.STORE].transact([Insert(collection, struct.id, documents.encode(struct)), *along])


@contextlib.asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    given = {"DATA": str(folder / "var"), "LISTEN_PORT": "0", "MEDIA_PORT": "0", "MEDIA_ADDRESSES": "127.0.0.1"}
    settings = load({f"MEDINOVA_{name}": value for name, value in {**given, "ENGINE": "reference"}.items()})
    connector = aiohttp.TCPConnector(limit=32)
    async with (
        running(settings) as app,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=connector) as client,
    ):
        built = Town(app, client)
        await _clinics(built)
        await _people(built)
        await _elsewhere(built)
        await _visits(built)
        yield built


async def _clinics(town: Town) -> None:
    """Both ask their staff for a second factor."""
    store = town.app[call.STORE]
    here = await store.get(clinics.COLLECTION, HERE)
    assert here is not None
    strict = Clinic(id=HERE, clinic=HERE, name="Here", second_factor=True)
    await store.transact([Replace(clinics.COLLECTION, HERE, documents.encode(strict), here.token)])
    await town.insert(clinics.COLLECTION, Clinic(id=THERE, clinic=THERE, name="There"))
    town.ids["clinic"] = HERE


async def _people(town: Town) -> None:
    town.people["stranger"] = {}
    treating = await town.member("treating", HERE, StaffRole.CLINICIAN)
    half = await town.member("half", HERE, StaffRole.ADMINISTRATOR, stage=Stage.HALF, strong=False)
    patient = await town.patient("pat-here", HERE, [treating, half])
    town.ids["patient"] = patient
    await town.member("weak", HERE, StaffRole.ADMINISTRATOR, strong=False)  # first factor only, where two are asked for
    await town.member("clinician", HERE, StaffRole.CLINICIAN)
    for role in set(StaffRole) - {StaffRole.CLINICIAN}:
        await town.member(role, HERE, role)
    town.ids["member"] = town.users["front-desk"]
    now = town.app[call.CLOCK]()
    hurried = await town.member("emergency", HERE, StaffRole.CLINICIAN)
    await town.grant(HERE, hurried, Kind.EMERGENCY, patient=patient, ends_at=now + emergency.LIFE)
    taken = Emergency(
        id=EmergencyId("eme-here"),
        clinic=HERE,
        user=hurried,
        patient=patient,
        reason="It could not wait.",
        taken_at=now,
        ends_at=now + emergency.LIFE,
    )
    await town.insert(emergency.COLLECTION, taken)
    town.ids["emergency"] = taken.id
    gone = Erasure(
        id=ErasureId("era-here"),
        clinic=HERE,
        patient=PatientId("pat-gone"),
        merged=[],
        asked_on=now.date(),
        ordered_at=now,
        kept=[],
    )
    await town.insert(erasures.COLLECTION, gone)
    town.ids["erasure"] = gone.id
    await town.user("user")
    await town.acting("self", patient, HERE, Kind.SELF)
    town.ids["session"] = town.sessions["self"]
    await town.acting("parent", patient, HERE, Kind.PARENT, Scope.RECORD)
    town.ids["relation"] = derived_id("gra", town.users["parent"], patient)
    await town.acting("guardian", patient, HERE, Kind.GUARDIAN, Scope.RECORD)
    await town.acting("carer", patient, HERE, Kind.CARER, Scope.RECORD)
    await town.acting("carer-of-visits", patient, HERE, Kind.CARER, Scope.VISITS)
    once = await town.user("once-parent")
    await town.grant(HERE, once, Kind.PARENT, patient=patient, scope=[Scope.RECORD], ends_at=now)
    operator = await town.user("operator")
    await town.grant(clinics.PLATFORM, operator, Kind.OPERATOR)
    town.people["service"] = {"Authorization": f"Bearer {town.app[call.SERVICE_KEY]}"}
    await town.account("service-visits", HERE, ServiceScope.VISITS)
    await town.account("service-reads", HERE, ServiceScope.PATIENTS_READ)
    await town.account("service-patients", HERE, ServiceScope.PATIENTS)
    open_ = Invitation(
        id=InvitationId("inv-here"),
        clinic=HERE,
        of="staff",
        email="new@example.org",
        name="New",
        language="en",
        roles=[StaffRole.BILLING],
        digest="0" * 64,
        created_at=now,
        expires_at=now + LONG_AGO,
    )
    await town.insert(invited.COLLECTION, open_)
    tie = invited.Relation(patient=patient, kind=Kind.CARER, scope=[Scope.RECORD])
    to_patient = msgspec.structs.replace(open_, id=InvitationId("inv-carer"), of="patient", roles=[], relation=tie)
    await town.insert(invited.COLLECTION, to_patient)
    town.ids |= {"invitation": open_.id, "invited": to_patient.id, "passkey": "psk-none"}
    town.ids["account"] = derived_id("acc", "service-visits")


async def _elsewhere(town: Town) -> None:
    treating = await town.member("there/treating", THERE, StaffRole.CLINICIAN)
    patient = await town.patient("pat-there", THERE, [treating])
    for role in set(StaffRole) - {StaffRole.CLINICIAN}:
        await town.member(f"there/{role}", THERE, role)
    await town.acting("there/self", patient, THERE, Kind.SELF)
    await town.acting("there/parent", patient, THERE, Kind.PARENT, *Scope)
    await town.account("there/service", THERE, *ServiceScope)


async def _visits(town: Town) -> None:
    """One here, with who holds its seats; and the holder of a seat in another."""
    seats = [(Role.CLINICIAN, "Dr. Ada"), (Role.PATIENT, "Ben"), (Role.CARER, "Cleo"), (Role.INTERPRETER, "Dan")]
    now = datetime.now(UTC)
    visits, links = town.app[call.VISITS], town.app[call.LINKS]
    visit = await visits.create(Service(HERE), seats, now)
    another = await visits.create(Service(HERE), seats, now)
    town.ids |= {"visit": visit.id, "seat": visit.seats[1].id, "link": visit.seats[1].links[0].id}
    name = town.app[call.SETTINGS].cookie_name(visit.seats[1].id)  # by which the seat in the path is looked for
    for which, prefix in ((visit, "seat"), (another, "elsewhere")):
        for seat in which.seats if which is visit else which.seats[:1]:
            cookie = links.make_cookie(which.id, seat.id, seat.links[0].id, now)
            town.people[f"{prefix}-{seat.role}"] = {"Cookie": f"{name}={cookie}"}
