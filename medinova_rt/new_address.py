"""A user's new e-mail address: asked for in a session, confirmed by the link that is mailed to it.

Until then nothing has changed. Confirmed, the address that users are found by moves in one transact with the user, and
the one before is told of it. Sessions go on; codes and links mailed to the one before are worth nothing, since they are
found by an address that is nobody's now. Whether the new one is somebody else's is not told: its owner gets no letter.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from msgspec import Struct

from medinova_rt import audit, changes, documents, mail, tries
from medinova_rt.changes import ATTEMPTS
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import BadInput, Conflict
from medinova_rt.ids import ClinicId, UserId, derived_id
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import Delete, Find, Insert, Store, Stored, Write, encode_instant
from medinova_rt.principals import Person
from medinova_rt.rights import Action
from medinova_rt.tries import Tries
from medinova_rt.users import Users, normal_email

COLLECTION = "new-addresses"
SCHEMA = 1
BY_END = Find(COLLECTION, ordered_by="expires_at")
FINDS: tuple[Find, ...] = (BY_END,)

LIFE = timedelta(hours=1)
SWEPT = 50


class NewAddress(Struct, frozen=True, kw_only=True):
    """What a user is to have, once it is confirmed: one at a time."""

    id: Open[str]
    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    user: Open[UserId]
    email: Private[str]  # normalised
    digest: Open[str]  # SHA-256 of the secret in the link
    expires_at: Open[datetime]


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, NewAddress, subject="user", basis=Basis.ACCOUNT),)


class NewAddresses:
    def __init__(self, store: Store, public_url: str) -> None:
        self._store = store
        self._users = Users(store)
        self._tries = Tries(store)
        self._public_url = public_url

    async def ask(self, person: Person, email: str, now: datetime) -> None:
        """Mail a link to the address. Raises BadInput, TooFast, Conflict."""
        email, user = normal_email(email), await self._users.get(person.user)
        if email == user.email:
            raise BadInput("this is your address already", "/email")
        await self._tries.take([tries.LETTERS.of(email)], now)
        secret = secrets.token_urlsafe(32)
        pending = NewAddress(
            id=_id_of(user.id), user=user.id, email=email, digest=_digest(secret), expires_at=now + LIFE
        )
        before = await changes.held(self._store, COLLECTION, pending.id, _read)
        writes: list[Write] = [
            before.replacing(COLLECTION, pending.id, pending)
            if before
            else Insert(COLLECTION, pending.id, documents.encode(pending)),
            _record(person, now),
        ]
        if await self._users.by_email(email) is None:
            link = f"{self._public_url}/profile#email-{secret}"
            writes += mail.letter("email-confirm", email, user.language, now, clinic=PLATFORM, link=link)
        await self._store.transact(writes)

    async def confirm(self, person: Person, secret: str, now: datetime) -> None:
        """Raises BadInput for what is no link of this user's, or no longer; Conflict."""
        for _ in range(ATTEMPTS):
            pending = await changes.held(self._store, COLLECTION, _id_of(person.user), _read)
            fits = hmac.compare_digest(_digest(secret), pending.value.digest if pending else "")
            if not fits or pending is None or now >= pending.value.expires_at:
                raise BadInput("this link is not valid any more", "/token")
            if await self._users.by_email(pending.value.email) is not None:
                raise BadInput("this link is not valid any more", "/token")
            user = await self._users.get(person.user)
            writes = [
                *await self._users.moving(person.user, pending.value.email),
                Delete(COLLECTION, pending.value.id, pending.token),
                _record(person, now),
                *mail.letter(
                    "email-changed",
                    user.email,
                    user.language,
                    now,
                    clinic=PLATFORM,
                    at=mail.moment(now, user.zone),
                ),
            ]
            try:
                await self._store.transact(writes)
            except Conflict:
                continue
            return
        raise Conflict("others are changing this; try again")

    async def sweep(self, now: datetime) -> bool:
        """Delete some that were not confirmed in time; return whether there may be more."""
        page = await self._store.find(BY_END, below=encode_instant(now), limit=SWEPT)
        if page.rows:
            await self._store.transact([Delete(COLLECTION, row.id, row.token) for row in page.rows])
        return page.cursor is not None


def _read(stored: Stored) -> NewAddress:
    return documents.decode(NewAddress, stored.document, SCHEMA, {})


def _id_of(user: UserId) -> str:
    return derived_id("nad", user)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(person: Person, now: datetime) -> Insert:
    return audit.record(person, Action.EMAIL_CHANGE, now, clinic=PLATFORM, user=person.user)
