"""Invitations: a letter with a secret, by which its reader becomes a member of a clinic, or somebody who acts for a
patient.

The secret has 256 bits; the store has its SHA-256. An invitation (`invited.Invitation`) is there while it is open: what
was accepted or withdrawn, and what is past its seven days, is deleted, and the audit records tell of it. It is worth
nothing once whoever wrote it may no longer invite.

What the secret proves is that its bearer reads that mailbox, as a mailed code does, though for longer. Therefore:

| the address                                   | accepting                                                         |
| has no user yet                               | makes the user, with the password given, and signs in as by a     |
|                                               | first factor                                                      |
| has a user without password and second factor | ties the user, and signs in as by a first factor                  |
| has a user with either                        | ties the user, and signs nobody in: that user signs in as always  |
| has a user who is disabled                    | is refused                                                        |

It never changes a password, a name or anything else of a user that there is. So a letter in wrong hands opens no
account that has a credential of its own; at worst its owner finds that they have joined who had invited them.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from medinova_rt import audit, changes, clinics, documents, mail, users
from medinova_rt.changes import ATTEMPTS, Held
from medinova_rt.clinics import PLATFORM, Clinic, Clinics
from medinova_rt.errors import Conflict, LimitReached, NotAuthenticated, NotFound, WrongState
from medinova_rt.grants import StaffRole
from medinova_rt.ids import ClinicId, InvitationId, PatientId, UserId, new_id
from medinova_rt.invited import (
    BY_CLINIC,
    BY_END,
    COLLECTION,
    LIFE,
    MAX_OPEN,
    Invitation,
    Of,
    Relation,
    open_of,
    read,
    stands,
    withdrawal,
)
from medinova_rt.members import Members, fit_roles
from medinova_rt.names import fit_name
from medinova_rt.passwords import MINIMUM, STAFF_MINIMUM
from medinova_rt.patients import Patient
from medinova_rt.ports import (
    Delete,
    Identity,
    Insert,
    NewPassword,
    Store,
    Write,
    encode_instant,
)
from medinova_rt.principals import Person, Stranger
from medinova_rt.relations import Relations
from medinova_rt.rights import Action
from medinova_rt.signin import Browser, Entered, SignIn
from medinova_rt.texts import known_language
from medinova_rt.users import User, Users, normal_email
from medinova_rt.zones import known_zone

_TOKEN = re.compile(r"(inv-[0-9a-z]{26})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the bearer of the secret may see before accepting."""

    invitation: Invitation
    clinic: Clinic
    has_account: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """What somebody who has no user yet says of themselves; None: as the invitation says."""

    name: str | None = None
    password: str | None = field(default=None, repr=False)
    language: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """`entered` is None where the user is to sign in as always."""

    user: UserId
    entered: Entered | None


class Invitations:
    """The use cases. `actor` is whom the audit record names; `address` is where links lead (`public_url`)."""

    def __init__(self, store: Store, identity: Identity, sign_in: SignIn, public_url: str) -> None:
        self._store = store
        self._identity = identity
        self._sign_in = sign_in
        self._page = f"{public_url}/invitation"
        self._clinics = Clinics(store)
        self._members = Members(store)
        self._relations = Relations(store)
        self._users = Users(store)

    async def held(self, clinic: ClinicId, id: InvitationId) -> Held[Invitation] | None:
        """The clinic's invitation of that id, for its people to act on: none of a patient's."""
        held = await self._held(id)
        return held if held and (held.value.clinic, held.value.of) == (clinic, "staff") else None

    async def held_of(self, patient: PatientId, id: InvitationId) -> Held[Invitation] | None:
        """The invitation of that id to be, or act for, that patient."""
        held = await self._held(id)
        return held if held and held.value.patient == patient else None

    async def listed(
        self, clinic: ClinicId, now: datetime, limit: int, cursor: str | None = None
    ) -> tuple[list[Invitation], str | None]:
        """Those of staff that are open, the oldest first, and the cursor of the next page."""
        after = encode_instant(now - LIFE)
        page = await self._store.find(BY_CLINIC, (clinic, "staff"), at_least=after, limit=limit, cursor=cursor)
        return [each for each in map(read, page.rows) if now < each.expires_at], page.cursor

    async def of_patient(self, actor: audit.Actor, patient: Patient, now: datetime) -> list[Invitation]:
        """Those that are open, for somebody to see, which leaves word of it first."""
        await self._store.transact(
            [audit.record(actor, Action.RELATION_INVITED, now, clinic=patient.clinic, patient=patient.id)]
        )
        found = await open_of(self._store, patient.clinic, "patient", now)
        return [each.value for each in found if each.value.patient == patient.id]

    async def invite(
        self,
        actor: audit.Actor,
        clinic: ClinicId,
        email: str,
        name: str,
        roles: Sequence[StaffRole],
        language: str,
        now: datetime,
    ) -> Invitation:
        """Invite somebody to work there. Raises NotFound, BadInput, LimitReached; WrongState for a member."""
        where = await self._clinics.get(clinic)
        email, name, roles = normal_email(email), fit_name(name), fit_roles(roles)
        user = await self._users.by_email(email)
        member = await self._members.held(clinic, user.id) if user else None
        if member and member.value.holds(now):
            raise WrongState("this person works here already")
        made, writes = await self._new(
            where, "staff", email, name, known_language(language), now, roles=roles, by=actor
        )
        record = audit.record(actor, Action.INVITATION_ADD, now, clinic=clinic, about=made.id)
        await self._store.transact([*writes, record])
        return made

    async def invite_to_patient(
        self,
        actor: audit.Actor,
        clinic: ClinicId,
        email: str,
        name: str,
        relation: Relation,
        language: str,
        now: datetime,
        along: Sequence[Write] = (),
    ) -> Invitation:
        """Invite somebody to be, or act for, a patient; `along` is written with it. Raises as `invite` does."""
        where = await self._clinics.get(clinic)
        email, name = normal_email(email), fit_name(name)
        made, writes = await self._new(
            where,
            "patient",
            email,
            name,
            known_language(language),
            now,
            relation=relation,
            by=actor,
            right=Action.RELATION_ADD,
        )
        record = audit.record(actor, Action.INVITATION_ADD, now, clinic=clinic, patient=relation.patient, about=made.id)
        await self._store.transact([*writes, record, *along])
        return made

    async def open_clinic(
        self, actor: audit.Actor, settings: clinics.Settings, email: str, name: str, now: datetime
    ) -> Clinic:
        """Make a clinic and invite its first administrator. Raises BadInput."""
        email, name = normal_email(email, "/administrator/email"), fit_name(name, "/administrator/name")
        clinic, writes = clinics.new_clinic(actor, settings, now)
        roles = [StaffRole.ADMINISTRATOR]
        invited, letter = await self._new(
            clinic, "staff", email, name, clinic.language, now, roles=roles, by=actor, right=Action.CLINIC_CREATE
        )
        record = audit.record(actor, Action.INVITATION_ADD, now, clinic=clinic.id, about=invited.id)
        await self._store.transact([*writes, *letter, record])
        return clinic

    async def withdraw(self, actor: audit.Actor, clinic: ClinicId, id: InvitationId, now: datetime) -> None:
        """Raises NotFound, also once it is accepted."""
        await self._withdraw(actor, await self.held(clinic, id), now)

    async def withdraw_of(self, actor: audit.Actor, patient: PatientId, id: InvitationId, now: datetime) -> None:
        """As `withdraw`, one to be, or act for, that patient."""
        await self._withdraw(actor, await self.held_of(patient, id), now)

    async def _withdraw(self, actor: audit.Actor, held: Held[Invitation] | None, now: datetime) -> None:
        if held is None:
            raise NotFound("there is no such invitation")
        await self._store.transact(withdrawal(actor, held, now))

    async def look(self, token: str, now: datetime) -> Shown:
        """Raises NotAuthenticated for what is no open invitation."""
        held = await self._open(token, now)
        user = await self._users.by_email(held.value.email)
        return Shown(held.value, await self._clinics.get(held.value.clinic), user is not None)

    async def accept(self, token: str, profile: Profile, browser: Browser, now: datetime) -> Accepted:
        """As the module's table says. Raises NotAuthenticated, BadInput, LimitReached, WrongState, Conflict."""
        for _ in range(ATTEMPTS):
            held = await self._open(token, now)  # which ends this when somebody else was faster
            try:
                return await self._accept(held, profile, browser, now)
            except Conflict:
                continue
        raise Conflict("others are changing this; try again")

    async def sweep(self, now: datetime) -> bool:
        """Delete some that are past their time; return whether there may be more."""
        rows = (await self._store.find(BY_END, below=encode_instant(now), limit=50)).rows
        if rows:
            await self._store.transact([Delete(COLLECTION, each.id, each.token) for each in rows])
        return len(rows) == 50

    async def _accept(self, held: Held[Invitation], profile: Profile, browser: Browser, now: datetime) -> Accepted:
        invitation = held.value
        user, made = await self._user(invitation, profile, now)
        if user.disabled:
            raise NotAuthenticated("this invitation is not valid")
        actor = Stranger(browser.address)
        along: list[Write] = [
            Delete(COLLECTION, invitation.id, held.token),
            *made,
            *await self._tie(invitation, user, now),
            audit.record(
                actor,
                Action.INVITATION_ACCEPT,
                now,
                clinic=invitation.clinic,
                user=user.id,
                patient=invitation.patient,
                about=invitation.id,
            ),
        ]
        if not made:
            factors = await self._identity.factors(user.id)
            if factors.password or factors.second:
                await self._store.transact(along)
                return Accepted(user.id, None)
        return Accepted(user.id, await self._sign_in.enter(user.id, browser, now, along))

    async def _user(self, invitation: Invitation, profile: Profile, now: datetime) -> tuple[User, list[Write]]:
        """The user of the address, and what makes them if there is none."""
        if known := await self._users.by_email(invitation.email):
            return known, []
        clinic = await self._clinics.get(invitation.clinic)
        user, writes = users.new_user(
            invitation.email,
            fit_name(invitation.name if profile.name is None else profile.name),
            invitation.language if profile.language is None else known_language(profile.language),
            clinic.zone if profile.zone is None else known_zone(profile.zone),
            now,
        )
        writes.append(audit.record(Stranger(), "user.create", now, clinic=PLATFORM, user=user.id))
        if profile.password is None:
            return user, writes
        minimum = STAFF_MINIMUM if invitation.of == "staff" else MINIMUM
        new = NewPassword(profile.password, minimum, (user.name, user.email, clinic.name), user.email)
        return user, [*writes, *(await self._identity.enrol(user.id, new, now)).along]

    async def _tie(self, invitation: Invitation, user: User, now: datetime) -> list[Write]:
        relation = invitation.relation
        if relation is None:
            return await self._members.joining(invitation.clinic, user.id, invitation.roles, now, invitation.created_at)
        return await self._relations.giving(
            relation.patient,
            user.id,
            relation.kind,
            relation.scope,
            now,
            starts_at=relation.starts_at,
            ends_at=relation.ends_at,
            invited_at=invitation.created_at,
        )

    async def _new(
        self,
        clinic: Clinic,
        of: Of,
        email: str,
        name: str,
        language: str,
        now: datetime,
        *,
        roles: Sequence[StaffRole] = (),
        relation: Relation | None = None,
        by: audit.Actor,
        right: Action = Action.INVITATION_ADD,
    ) -> tuple[Invitation, list[Write]]:
        """Return the invitation, and what makes and mails it."""
        if len(await open_of(self._store, clinic.id, of, now)) >= MAX_OPEN:
            raise LimitReached(f"at most {MAX_OPEN} invitations are open at a time; withdraw some")
        secret = secrets.token_urlsafe(32)
        made = Invitation(
            id=InvitationId(new_id("inv", now)),
            clinic=clinic.id,
            of=of,
            by=by.user if isinstance(by, Person) else None,
            right=right,
            email=email,
            name=name,
            language=language,
            roles=list(roles),
            relation=relation,
            digest=_digest(secret),
            created_at=now,
            expires_at=now + LIFE,
        )
        link = f"{self._page}#{made.id}.{secret}"
        template: mail.Template = "invitation" if of == "staff" else "patient-invitation"
        letter = mail.letter(template, email, language, now, clinic=clinic.id, clinic_name=clinic.name, link=link)
        return made, [Insert(COLLECTION, made.id, documents.encode(made)), *letter]

    async def _open(self, token: str, now: datetime) -> Held[Invitation]:
        said = _TOKEN.fullmatch(token)
        held = await self._held(InvitationId(said[1])) if said else None
        digest = _digest(said[2] if said else "")
        if not hmac.compare_digest(digest, held.value.digest if held else "") or held is None:
            raise NotAuthenticated("this invitation is not valid")
        if now >= held.value.expires_at or not await stands(self._store, held.value, now):
            raise NotAuthenticated("this invitation is not valid")
        return held

    async def _held(self, id: InvitationId) -> Held[Invitation] | None:
        return await changes.held(self._store, COLLECTION, id, read)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
