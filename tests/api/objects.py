"""One object for each parameter that a path can have, and callers of every kind: for tests that go over all routes.

Whoever adds a parameter adds what makes a valid value of it to `MAKERS`; a route whose parameter is missing fails.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import msgspec

from api import call
from medinova_rt import accounts, documents, emergency, erasures, grants, invited, members, patients, sessions, users
from medinova_rt.adapters import embedded_credentials
from medinova_rt.clinics import DEMO, PLATFORM
from medinova_rt.grants import Grant, Kind, Scope, StaffRole, Standing
from medinova_rt.ids import (
    AccountId,
    ClinicId,
    EmergencyId,
    ErasureId,
    GrantId,
    InvitationId,
    LinkId,
    PatientId,
    SeatId,
    SessionId,
    UserId,
    VisitId,
)
from medinova_rt.ports import Insert
from medinova_rt.principals import Half, Person, Principal, Role, SeatHolder, Service, ServiceScope
from tests.api.conftest import Door

USER = UserId("usr-main")  # who is everything at the demo clinic
OTHER = ClinicId("cli-other")
PATIENT = PatientId("pat-1")
NOW = datetime.now(UTC)


def grant(kind: Kind, clinic: ClinicId = DEMO.id, *roles: StaffRole, user: UserId = USER) -> Grant:
    patient = PATIENT if kind in grants.RELATIONS else None
    scope = list(Scope) if patient else []
    return Grant(
        id=GrantId(f"gra-{kind}"),
        clinic=clinic,
        user=user,
        kind=kind,
        roles=list(roles),
        patient=patient,
        scope=scope,
        created_at=NOW,
        starts_at=NOW,
    )


@dataclass
class World:
    """What was made so far, by the name of its parameter."""

    door: Door
    made: dict[str, str] = field(default_factory=dict)

    async def path(self, template: str, parameters: list[str]) -> str:
        """Fill a path in, in the order of its parameters."""
        if "user" not in self.made:
            self.made["user"] = await _user(self)
        for name in parameters:
            if name not in self.made:
                self.made[name] = await MAKERS[name](self)
        return template.format(**self.made)

    async def put(self, collection: str, id: str, value: msgspec.Struct) -> str:
        await self.door.app[call.STORE].transact([Insert(collection, id, documents.encode(value))])
        return id


async def _visit(world: World) -> str:
    seats = [(Role.CLINICIAN, "Dr. Ada"), (Role.PATIENT, "Ben")]
    visit = await world.door.app[call.VISITS].create(Service(DEMO.id), seats, NOW)
    world.made |= {"seat": visit.seats[0].id, "link": visit.seats[0].links[0].id}
    return visit.id


async def _clinic(world: World) -> str:
    return DEMO.id


async def _patient(world: World) -> str:
    patient = patients.Patient(
        id=PATIENT,
        clinic=DEMO.id,
        created_at=NOW,
        given="Ben",
        family="Adams",
        birth_date=date(1990, 1, 1),
        language="en",
        zone="Europe/Vienna",
        number="1",
        treating=[USER],
    )
    return await world.put(patients.COLLECTION, patient.id, patient)


async def _emergency(world: World) -> str:
    made = emergency.Emergency(
        id=EmergencyId("eme-1"),
        clinic=DEMO.id,
        user=UserId("usr-2"),
        patient=PATIENT,
        reason="she cannot speak",
        taken_at=NOW,
        ends_at=NOW + timedelta(hours=1),
    )
    return await world.put(emergency.COLLECTION, made.id, made)


async def _erasure(world: World) -> str:
    made = erasures.Erasure(
        id=ErasureId("era-1"),
        clinic=DEMO.id,
        patient=PATIENT,
        merged=[],
        asked_on=NOW.date(),
        ordered_at=NOW,
        kept=[],
    )
    return await world.put(erasures.COLLECTION, made.id, made)


async def _account(world: World) -> str:
    made = accounts.Account(id=AccountId("acc-1"), clinic=DEMO.id, name="x", keys=[], scopes=[], created_at=NOW)
    return await world.put(accounts.COLLECTION, made.id, made)


async def _session(world: World) -> str:
    made = sessions.Session(
        id=SessionId("ses-2"),
        user=USER,
        digest="0" * 64,
        stage=sessions.Stage.FULL,
        strong=True,
        known_device=True,
        created_at=NOW,
        authenticated_at=NOW,
        last_seen_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )
    return await world.put(sessions.COLLECTION, made.id, made)


async def _user(world: World) -> str:
    """Who calls: their profile is there whatever the path says."""
    made = users.User(id=USER, email="main@demo.example", name="Max Main", created_at=NOW)
    return await world.put(users.COLLECTION, made.id, made)


async def _member(world: World) -> str:
    member = msgspec.structs.replace(
        grant(Kind.MEMBER, DEMO.id, StaffRole.CLINICIAN), id=members.grant_id(DEMO.id, USER)
    )
    await world.put(grants.COLLECTION, member.id, member)
    return USER


async def _invitation(world: World) -> str:
    made = invited.Invitation(
        id=InvitationId("inv-1"),
        clinic=DEMO.id,
        of="staff",
        email="noor@demo.example",
        name="Noor Karim",
        language="en",
        roles=[StaffRole.INTERPRETER],
        digest="0" * 64,
        created_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )
    return await world.put(invited.COLLECTION, made.id, made)


async def _relation(world: World) -> str:
    relation = msgspec.structs.replace(grant(Kind.CARER, user=UserId("usr-2")), id=GrantId("gra-relation"))
    return await world.put(grants.COLLECTION, relation.id, relation)


async def _invited(world: World) -> str:
    made = invited.Invitation(
        id=InvitationId("inv-2"),
        clinic=DEMO.id,
        of="patient",
        email="ines@demo.example",
        name="Ines Vega",
        language="en",
        relation=invited.Relation(patient=PATIENT, kind=Kind.CARER, scope=[Scope.RECORD]),
        digest="0" * 64,
        created_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )
    return await world.put(invited.COLLECTION, made.id, made)


async def _passkey(world: World) -> str:
    key = embedded_credentials.Key(
        id="psk-1", name="blue key", credential="AAAA", public_key="AAAA", sign_count=0, created_at=NOW
    )
    kept = embedded_credentials.Credentials(id=embedded_credentials.id_of(USER), user=USER, keys=[key])
    await world.put(embedded_credentials.COLLECTION, kept.id, kept)
    return key.id


MAKERS: dict[str, Callable[[World], Awaitable[str]]] = {
    "visit": _visit,
    "seat": _visit,  # made along
    "link": _visit,
    "clinic": _clinic,
    "patient": _patient,
    "emergency": _emergency,
    "erasure": _erasure,
    "account": _account,
    "session": _session,
    "member": _member,
    "invitation": _invitation,
    "relation": _relation,
    "invited": _invited,
    "passkey": _passkey,
}


def person(user: str, standing: Standing) -> Person:
    now = datetime.now(UTC)
    return Person(UserId(user), SessionId("ses-1"), standing, strong=True, authenticated_at=now, second_at=now)


def callers(world: World) -> Iterator[Principal]:
    """Of every kind, those with the most rights first."""
    everything = Standing(
        members={DEMO.id: grant(Kind.MEMBER, DEMO.id, *StaffRole)},
        patients={PATIENT: grant(Kind.SELF)},
        operator=grant(Kind.OPERATOR, PLATFORM),
    )
    yield person(USER, everything)
    yield Service(DEMO.id)
    yield Half(USER, SessionId("ses-1"))
    if "visit" in world.made:
        visit, link = VisitId(world.made["visit"]), LinkId(world.made["link"])
        yield SeatHolder(DEMO.id, visit, SeatId(world.made["seat"]), Role.CLINICIAN, link)
        yield SeatHolder(DEMO.id, visit, SeatId("sea-other"), Role.CARER, link)
    for role in StaffRole:
        yield person(f"usr-{role}", Standing(members={DEMO.id: grant(Kind.MEMBER, DEMO.id, role)}))
    yield person("usr-carer", Standing(patients={PATIENT: grant(Kind.CARER)}))
    yield Service(DEMO.id, scopes=frozenset({ServiceScope.PATIENTS_READ}), account=AccountId("acc-2"))
    yield Service(OTHER, account=AccountId("acc-3"))
    yield Half(UserId("usr-half"), SessionId("ses-3"))
    yield person("usr-nobody", Standing())
