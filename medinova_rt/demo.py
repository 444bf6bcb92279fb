"""The demo clinic: one person for each role, and a dozen patients who don't exist, to try everything out with.

Made by the same use cases as anybody else, what is there already left alone, so that it is whole after every start.
The passwords come from a key that each server makes for itself: nowhere are they the same, and none is in the store.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from medinova_rt import relations
from medinova_rt.clinics import DEMO, PLATFORM, Clinic, Clinics
from medinova_rt.grants import Kind, Scope, StaffRole
from medinova_rt.ids import PatientId, UserId
from medinova_rt.lookups import Lookups
from medinova_rt.patients import Details, Patients
from medinova_rt.ports import Identity, Store
from medinova_rt.principals import Service
from medinova_rt.register import Criteria, Register
from medinova_rt.relations import Relations
from medinova_rt.staffing import Staffing

ACTOR = Service(DEMO.id)
ZONE = "Europe/Madrid"


@dataclass(frozen=True, slots=True)
class Somebody:
    role: str  # as the printed table calls it
    name: str
    email: str
    staff: StaffRole | None = None
    operator: bool = False
    acts_for: tuple[tuple[str, Kind], ...] = ()  # the clinic's number of a patient


@dataclass(frozen=True, slots=True)
class Login:
    role: str
    name: str
    email: str
    password: str = field(repr=False)


PEOPLE = (
    Somebody("clinician", "Dr. Amira Haddad", "clinician@demo.example", StaffRole.CLINICIAN),
    Somebody("front desk", "Jonas Keller", "front-desk@demo.example", StaffRole.FRONT_DESK),
    Somebody("billing", "Mei Tanaka", "billing@demo.example", StaffRole.BILLING),
    Somebody("administrator", "Lucía Ortega", "administrator@demo.example", StaffRole.ADMINISTRATOR),
    Somebody("interpreter", "Noor Karim", "interpreter@demo.example", StaffRole.INTERPRETER),
    Somebody("patient", "Sam Rivers", "patient@demo.example", acts_for=(("D-1001", Kind.SELF),)),
    Somebody("parent", "Robin Rivers", "parent@demo.example", acts_for=(("D-1002", Kind.PARENT),)),
    Somebody("carer", "Ines Duarte", "carer@demo.example", acts_for=(("D-1003", Kind.CARER),)),
    Somebody("operator", "Pat Morgan", "operator@demo.example", operator=True),
)


def _patient(
    number: int, given: str, family: str, born: str, phone: str | None = None, language: str = "en"
) -> Details:
    return Details(
        given=given,
        family=family,
        birth_date=date.fromisoformat(born),
        language=language,
        zone=ZONE,
        email=f"d-{number}@patients.example",
        phone=phone,
        number=f"D-{number}",
    )


PATIENTS: Sequence[Details] = (
    _patient(1001, "Sam", "Rivers", "1984-05-17", "+34600000001"),
    _patient(1002, "Kim", "Rivers", "2017-09-02"),  # a child
    _patient(1003, "Edith", "Sorensen", "1938-01-29", "+34600000003"),
    _patient(1004, "Mateo", "Fuentes", "1991-11-08", "+34600000004", "es"),
    _patient(1005, "Carmen", "Fuentes", "1993-03-21", "+34600000005", "es"),
    _patient(1006, "Oluwaseun", "Adeyemi", "1976-07-30", "+34600000006"),
    _patient(1007, "Yuki", "Nakamura", "2001-12-12", "+34600000007"),
    _patient(1008, "Anneli", "Virtanen", "1959-04-04", "+34600000008"),
    _patient(1009, "Pilar", "Gómez Prado", "1968-10-15", "+34600000009", "es"),
    _patient(1010, "Tomás", "Gómez Prado", "1966-02-25", "+34600000010", "es"),
    _patient(1011, "Aaliyah", "Brooks", "1999-08-19", "+34600000011"),
    _patient(1012, "Viktor", "Lindqvist", "1947-06-06", "+34600000012"),
)
TREATED = ("D-1001", "D-1002", "D-1003", "D-1004")  # by the clinician


def password(key: str, email: str) -> str:
    """Return what a demo's person signs in with: 80 bits, in groups to read and type."""
    digest = hmac.digest(key.encode(), f"demo password of {email}".encode(), "sha256")
    letters = base64.b32encode(digest[:10]).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4))


def logins(key: str) -> list[Login]:
    return [Login(each.role, each.name, each.email, password(key, each.email)) for each in PEOPLE]


async def seed(store: Store, identity: Identity, lookups: Lookups, key: str, now: datetime) -> list[Login]:
    """Make whatever of the demo is not there; return who can sign in, with the passwords they were made with."""
    await Clinics(store).ensure(Clinic(id=PLATFORM, clinic=PLATFORM, name="MediNova", second_factor=False))
    clinic = await Clinics(store).ensure(DEMO)
    staffing, users = Staffing(store, identity), {}
    for each in PEOPLE:
        user, _ = await staffing.user(each.email, each.name, password(key, each.email), now, zone=ZONE)
        users[each.email] = user.id
        if each.staff:
            await staffing.member(clinic.id, user.id, [each.staff], now)
        if each.operator:
            await staffing.operator(user.id, now)
    patients = await _patients(store, lookups, now)
    for each in PEOPLE:
        for number, kind in each.acts_for:
            await _relate(store, patients[number], users[each.email], kind, now)
    for number in TREATED:
        await _treat(store, lookups, patients[number], users["clinician@demo.example"], now)
    return logins(key)


async def _patients(store: Store, lookups: Lookups, now: datetime) -> dict[str, PatientId]:
    register, found = Register(store, lookups), {}
    for details in PATIENTS:
        assert details.number is not None
        known, _ = await register.find(ACTOR, DEMO.id, Criteria(number=details.number), now, "", 1)
        made = known[0] if known else (await register.create(ACTOR, DEMO.id, details, now)).value
        found[details.number] = made.id
    return found


async def _relate(store: Store, patient: PatientId, user: UserId, kind: Kind, now: datetime) -> None:
    present = await relations.not_ended(store, patient, now)
    if not any(each.user == user for each in present):
        scope = [] if kind is Kind.SELF else list(Scope)
        await Relations(store).add(ACTOR, patient, user, kind, scope, now)


async def _treat(store: Store, lookups: Lookups, patient: PatientId, clinician: UserId, now: datetime) -> None:
    patients = Patients(store, lookups)
    if clinician not in (await patients.get(patient)).treating:
        await patients.treat(ACTOR, patient, clinician, now)
