import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from medinova_rt import audit, clinics, grants, invitations, mail
from medinova_rt import invited as kept_invitations
from medinova_rt.adapters.argon2_hashing import Argon2Hashing
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.clinics import DEMO, Clinics
from medinova_rt.errors import BadInput, LimitReached, NotAuthenticated, NotFound, WrongState
from medinova_rt.grants import Kind, Scope, StaffRole, Standing
from medinova_rt.ids import ClinicId, InvitationId, SessionId, UserId
from medinova_rt.invitations import Invitations, Profile
from medinova_rt.invited import LIFE, Invitation, Relation
from medinova_rt.lookups import Lookups, SecretIndex
from medinova_rt.members import Members
from medinova_rt.patients import Details
from medinova_rt.ports import Password, Store
from medinova_rt.principals import Person, Service
from medinova_rt.register import Register
from medinova_rt.relations import Relations, relation_id
from medinova_rt.sessions import Sessions
from medinova_rt.signin import Browser, SignIn
from medinova_rt.staffing import Staffing
from medinova_rt.users import Users

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ACTOR = Service(DEMO.id)
CLINICIAN = [StaffRole.CLINICIAN]
PASSWORD = "blue window over nothing"
BROWSER = Browser("192.0.2.7", "192.0.2.0/24", "Firefox")


@pytest.fixture
async def identity(store: Store) -> AsyncIterator[EmbeddedIdentity]:
    made = EmbeddedIdentity(store, Users(store), b"s" * 32, "http://localhost", Argon2Hashing(memory_kib=8, passes=1))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def kept(store: Store, identity: EmbeddedIdentity) -> Invitations:
    await Clinics(store).ensure(DEMO)
    sign_in = SignIn(store, identity, Users(store), Clinics(store), Sessions(store), "http://localhost")
    return Invitations(store, identity, sign_in, "http://localhost")


async def invited(kept: Invitations, email: str = "noor@demo.example") -> Invitation:
    return await kept.invite(ACTOR, DEMO.id, email, "Noor Karim", CLINICIAN, "es", NOW)


async def token(store: Store) -> str:
    """The secret part of the newest letter's link."""
    [*_, row] = (await store.find(mail.BY_AGE)).rows
    found = re.fullmatch(r"http://localhost/invitation#(.+)", row.document["parameters"]["link"])
    assert found
    return found[1]


async def roles(store: Store, user: UserId) -> list[StaffRole]:
    standing = grants.standing(await grants.of_user(store, user, NOW), NOW)
    return standing.members[DEMO.id].roles if DEMO.id in standing.members else []


async def test_an_invitation_makes_a_user_who_is_signed_in(
    store: Store, kept: Invitations, identity: EmbeddedIdentity
) -> None:
    await invited(kept, "Noor@Demo.example")
    secret = await token(store)
    shown = await kept.look(secret, NOW)
    assert (shown.invitation.email, shown.clinic, shown.has_account) == ("noor@demo.example", DEMO, False)
    accepted = await kept.accept(secret, Profile("Noor K.", PASSWORD, "en", "Europe/Madrid"), BROWSER, NOW)
    assert accepted.entered is not None
    assert accepted.entered.state == "signed-in"
    user = await Users(store).get(accepted.user)
    assert (user.email, user.name, user.language, user.zone) == ("noor@demo.example", "Noor K.", "en", "Europe/Madrid")
    assert await roles(store, user.id) == CLINICIAN
    assert (await identity.prove(Password(PASSWORD, user.email), NOW)).user == user.id


async def test_where_a_second_factor_is_needed_one_is_to_be_set_up(store: Store, kept: Invitations) -> None:
    await Clinics(store).change(ACTOR, DEMO.id, clinics.Settings(second_factor=True), NOW)
    await invited(kept)
    accepted = await kept.accept(await token(store), Profile(password=PASSWORD), BROWSER, NOW)
    assert accepted.entered is not None
    assert accepted.entered.state == "enrol"


async def test_a_letter_opens_no_account_that_has_a_password(
    store: Store, kept: Invitations, identity: EmbeddedIdentity
) -> None:
    user, _ = await Staffing(store, identity).user("noor@demo.example", "Noor", PASSWORD, NOW)
    await invited(kept)
    accepted = await kept.accept(await token(store), Profile("Eve", "another password of hers"), BROWSER, NOW)
    assert (accepted.user, accepted.entered) == (user.id, None)
    assert await roles(store, user.id) == CLINICIAN
    assert await Users(store).get(user.id) == user
    assert await Sessions(store).of_user(user.id) == []
    assert (await identity.prove(Password(PASSWORD, user.email), NOW)).user == user.id


async def test_who_has_an_account_without_credentials_is_signed_in_as_by_a_mailed_link(
    store: Store, kept: Invitations
) -> None:
    user = await Users(store).create("noor@demo.example", "Noor", "en", "UTC", NOW)
    await invited(kept)
    accepted = await kept.accept(await token(store), Profile("Eve"), BROWSER, NOW)
    assert accepted.entered is not None
    assert (accepted.user, await Users(store).get(user.id)) == (user.id, user)


async def test_who_is_disabled_cannot_accept(store: Store, kept: Invitations) -> None:
    user = await Users(store).create("noor@demo.example", "Noor", "en", "UTC", NOW)
    await Users(store).change(user.id, lambda each: (replace(each, disabled=True), []))
    await invited(kept)
    with pytest.raises(NotAuthenticated):
        await kept.accept(await token(store), Profile(), BROWSER, NOW)
    assert await roles(store, user.id) == []


async def test_it_is_accepted_once(store: Store, kept: Invitations) -> None:
    await invited(kept)
    secret = await token(store)
    tries = [kept.accept(secret, Profile(password=PASSWORD), BROWSER, NOW) for _ in range(5)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in answers) == ["Accepted", *["NotAuthenticated"] * 4]


async def test_one_that_is_over_is_worth_nothing(store: Store, kept: Invitations) -> None:
    made = await invited(kept)
    secret = await token(store)
    with pytest.raises(NotAuthenticated):
        await kept.look(secret, NOW + LIFE)
    assert await kept.listed(DEMO.id, NOW + LIFE, 10) == ([], None)
    await kept.withdraw(ACTOR, DEMO.id, made.id, NOW)
    with pytest.raises(NotAuthenticated):
        await kept.accept(secret, Profile(), BROWSER, NOW)
    with pytest.raises(NotFound):
        await kept.withdraw(ACTOR, DEMO.id, made.id, NOW)


@pytest.mark.parametrize("wrong", ["", "x", "inv-1.x", "{id}.", "{id}." + "A" * 43, "{token}x", "{token} ", "{id}"])
async def test_what_is_no_token(store: Store, kept: Invitations, wrong: str) -> None:
    made = await invited(kept)
    with pytest.raises(NotAuthenticated):
        await kept.look(wrong.format(id=made.id, token=await token(store)), NOW)


async def test_the_store_does_not_know_the_secret(store: Store, kept: Invitations) -> None:
    made = await invited(kept)
    secret = (await token(store)).partition(".")[2]
    stored = await store.get(kept_invitations.COLLECTION, made.id)
    assert stored is not None
    assert secret not in str(stored.document)


async def test_another_clinic_knows_nothing_of_it(store: Store, kept: Invitations) -> None:
    made = await invited(kept)
    with pytest.raises(NotFound):
        await kept.withdraw(ACTOR, ClinicId("cli-other"), made.id, NOW)
    assert await kept.held(ClinicId("cli-other"), made.id) is None
    assert await kept.held(DEMO.id, InvitationId("inv-none")) is None


async def test_a_letter_is_worth_what_its_writer_may(store: Store, kept: Invitations) -> None:
    """Also where the letter itself was left lying."""
    eve = (await Users(store).create("eve@demo.example", "Eve", "en", "UTC", NOW)).id
    person = Person(eve, SessionId("ses-1"), Standing(), strong=True, authenticated_at=NOW)
    await kept.invite(person, DEMO.id, "noor@demo.example", "Noor", CLINICIAN, "en", NOW)
    with pytest.raises(NotAuthenticated):
        await kept.look(await token(store), NOW)
    with pytest.raises(NotAuthenticated):
        await kept.accept(await token(store), Profile(), BROWSER, NOW)
    await store.transact(await Members(store).joining(DEMO.id, eve, [StaffRole.ADMINISTRATOR], NOW))
    await kept.accept(await token(store), Profile(), BROWSER, NOW)


async def test_bounds(store: Store, kept: Invitations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MAX_OPEN", 1)
    await invited(kept)
    with pytest.raises(LimitReached):
        await invited(kept, "sam@demo.example")
    with pytest.raises(BadInput):
        await kept.invite(ACTOR, DEMO.id, "sam@demo.example", "Sam", [], "en", NOW)


async def test_a_member_is_not_invited_again(store: Store, kept: Invitations) -> None:
    user = await Users(store).create("noor@demo.example", "Noor", "en", "UTC", NOW)
    await store.transact(await Members(store).joining(DEMO.id, user.id, CLINICIAN, NOW))
    with pytest.raises(WrongState):
        await invited(kept)


async def test_an_operator_opens_a_clinic_for_its_first_administrator(store: Store, kept: Invitations) -> None:
    settings = clinics.Settings(name="Clínica Sol", language="es", zone="Europe/Madrid", second_factor=False)
    made = await kept.open_clinic(ACTOR, settings, "ana@sol.example", "Ana", NOW)
    accepted = await kept.accept(await token(store), Profile(password=PASSWORD), BROWSER, NOW)
    member = await Members(store).get(made.id, accepted.user)
    assert (member.grant.roles, member.user.zone) == ([StaffRole.ADMINISTRATOR], "Europe/Madrid")


async def test_a_patient_is_tied_by_a_letter(store: Store, kept: Invitations) -> None:
    register = Register(store, Lookups(store, SecretIndex(b"i" * 32)))
    details = Details(given="Sam", family="Rivers", birth_date=date(1984, 5, 17))
    patient = (await register.create(ACTOR, DEMO.id, details, NOW)).value
    relation = Relation(patient=patient.id, kind=Kind.CARER, scope=[Scope.RECORD])
    await kept.invite_to_patient(ACTOR, DEMO.id, "ines@demo.example", "Ines", relation, "en", NOW)
    accepted = await kept.accept(await token(store), Profile(), BROWSER, NOW + timedelta(hours=1))
    [grant] = await grants.of_user(store, accepted.user, NOW + timedelta(hours=1))
    assert (grant.kind, grant.patient, grant.scope) == (Kind.CARER, patient.id, [Scope.RECORD])


async def test_a_patients_invitation_is_listed_and_withdrawn(store: Store, kept: Invitations) -> None:
    register, tied = Register(store, Lookups(store, SecretIndex(b"i" * 32))), []
    for name in ("Sam", "Kim"):
        details = Details(given=name, family="Rivers", birth_date=date(1984, 5, 17))
        made = (await register.create(ACTOR, DEMO.id, details, NOW)).value
        relation = Relation(patient=made.id, kind=Kind.CARER, scope=[Scope.RECORD])
        asked = await kept.invite_to_patient(ACTOR, DEMO.id, "ines@demo.example", "Ines", relation, "en", NOW)
        tied.append((made, asked))
    (sam, one), (kim, other) = tied
    assert await kept.of_patient(ACTOR, sam, NOW) == [one]
    assert await kept.of_patient(ACTOR, sam, NOW + LIFE) == []
    with pytest.raises(NotFound):
        await kept.withdraw_of(ACTOR, sam.id, other.id, NOW)
    await kept.withdraw_of(ACTOR, kim.id, other.id, NOW)
    await kept.withdraw_of(ACTOR, sam.id, one.id, NOW)
    assert await kept.of_patient(ACTOR, kim, NOW) == []
    with pytest.raises(NotAuthenticated):
        await kept.look(await token(store), NOW)


async def test_every_act_leaves_its_record(store: Store, kept: Invitations) -> None:
    made = await invited(kept)
    await kept.accept(await token(store), Profile(password=PASSWORD), BROWSER, NOW)
    other = await invited(kept, "sam@demo.example")
    await kept.withdraw(ACTOR, DEMO.id, other.id, NOW)
    rows = (await store.find(audit.BY_CLINIC, (DEMO.id,))).rows
    said = sorted((row.document["action"], row.document["about"]) for row in rows)
    assert said == sorted(
        [
            ("invitation.add", made.id),
            ("invitation.accept", made.id),
            ("invitation.add", other.id),
            ("invitation.withdraw", other.id),
        ]
    )


async def test_what_is_past_its_time_is_swept_up(store: Store, kept: Invitations) -> None:
    made = await invited(kept)
    assert not await kept.sweep(NOW)
    assert await kept.held(DEMO.id, made.id)
    assert not await kept.sweep(NOW + LIFE + timedelta(seconds=1))
    assert await kept.held(DEMO.id, made.id) is None


async def test_a_second_letter_does_not_bring_back_who_was_deactivated(store: Store, kept: Invitations) -> None:
    await invited(kept)
    first = await token(store)
    await kept.invite(ACTOR, DEMO.id, "noor@demo.example", "Noor Karim", CLINICIAN, "es", NOW + timedelta(minutes=1))
    accepted = await kept.accept(first, Profile(password=PASSWORD), BROWSER, NOW)
    await Members(store).deactivate(ACTOR, DEMO.id, accepted.user, NOW + timedelta(hours=1))
    with pytest.raises(NotAuthenticated):  # it went with the membership
        await kept.accept(await token(store), Profile(), BROWSER, NOW + timedelta(hours=2))
    await kept.invite(ACTOR, DEMO.id, "noor@demo.example", "Noor Karim", CLINICIAN, "es", NOW + timedelta(hours=3))
    await kept.accept(await token(store), Profile(), BROWSER, NOW + timedelta(hours=4))
    assert await roles(store, accepted.user) == CLINICIAN


async def test_a_second_letter_does_not_bring_back_a_relation_that_was_ended(store: Store, kept: Invitations) -> None:
    details = Details(given="Ben", family="Roe", birth_date=date(2001, 2, 3))
    patient = (await Register(store, Lookups(store, SecretIndex(b"i" * 32))).create(ACTOR, DEMO.id, details, NOW)).value
    tie, letters = Relation(patient=patient.id, kind=Kind.CARER, scope=[Scope.RECORD]), []
    for each in range(2):
        later = NOW + timedelta(minutes=each)
        await kept.invite_to_patient(ACTOR, DEMO.id, "cleo@demo.example", "Cleo", tie, "en", later)
        letters.append(await token(store))
    accepted = await kept.accept(letters[0], Profile(), BROWSER, NOW)
    relations = Relations(store)
    await relations.end(ACTOR, patient.id, relation_id(accepted.user, patient.id), NOW + timedelta(hours=1))
    with pytest.raises(WrongState):
        await kept.accept(letters[1], Profile(), BROWSER, NOW + timedelta(hours=2))
