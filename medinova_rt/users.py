"""Users: who signs in. Whatever they may do comes from their grants; how they prove who they are, Identity knows.

An e-mail address belongs to one user at a time: whoever takes it inserts a document under an id derived from it, so two
who ask for the same one at the same instant cannot both get it. Addresses are compared in one form (`normal_email`).
"""

import re
from collections.abc import Sequence
from datetime import datetime

import idna
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from medinova_rt import audit, changes, documents
from medinova_rt.changes import Decide, Held
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import BadInput, NotFound
from medinova_rt.ids import ClinicId, UserId, derived_id, new_id
from medinova_rt.names import fit_name
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import Delete, Find, Insert, Store, Stored, Write
from medinova_rt.texts import known_language
from medinova_rt.zones import DEFAULT_ZONE, known_zone

COLLECTION = "users"
EMAILS = "emails"
SCHEMA = 1
BY_AGE = Find(COLLECTION, equal=("clinic",), ordered_by="created_at")
FINDS: tuple[Find, ...] = (BY_AGE,)

CHANGE = "me.change"  # as rights.Action says, which stands above

MAX_EMAIL = 254
MAX_LOCAL = 64

_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


class User(Struct, frozen=True, kw_only=True):
    id: Open[UserId]
    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    email: Private[str]  # normalised
    name: Private[str]
    language: Open[str] = "en"  # one of texts.LANGUAGES
    zone: Open[str] = DEFAULT_ZONE  # IANA
    disabled: Open[bool] = False  # may not sign in, at no clinic
    created_at: Open[datetime]


class Taken(Struct, frozen=True, kw_only=True):
    """That an e-mail address is a user's; its id is derived from the address."""

    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    user: Open[UserId]


SEALINGS: tuple[Sealing, ...] = (
    Sealing(COLLECTION, User, subject="id", basis=Basis.ACCOUNT),
    Sealing(EMAILS, Taken, blind=True),
)


class Profile(Struct, frozen=True, kw_only=True):
    """What users may set of themselves."""

    name: Private[str | UnsetType] = UNSET
    language: Open[str | UnsetType] = UNSET
    zone: Open[str | UnsetType] = UNSET


def normal_email(text: str, pointer: str = "/email") -> str:
    """Return the one form in which an address is kept and compared; raises BadInput.

    The local part is ASCII, the domain in A-labels (IDNA 2008), all of it lower case. So two addresses that look alike
    are alike, or one of them shows that it is not (`xn--…`), and nothing is mapped to something else on the way: what
    IDNA would have to map first (full width, dots of other scripts, the Kelvin sign) is refused.
    """
    local, at, domain = text.rpartition("@")
    local = local.lower() if local.isascii() else ""
    try:
        domain = _a_labels(domain)
    except (idna.IDNAError, UnicodeError):
        raise _no_email(pointer) from None
    email = local + at + domain
    if not _LOCAL.fullmatch(local) or len(local) > MAX_LOCAL or len(email) > MAX_EMAIL:
        raise _no_email(pointer)
    return email


def _a_labels(domain: str) -> str:
    labels = (domain.lower() if domain.isascii() else domain).split(".")
    if len(labels) < 2 or len(domain) > MAX_EMAIL or labels[-1].isdigit():
        raise idna.IDNAError("a domain of the Internet has two labels or more")
    return ".".join(idna.alabel(label).decode("ascii") for label in labels)


def _no_email(pointer: str) -> BadInput:
    return BadInput("this is no e-mail address as it is written on the Internet", pointer)


def new_user(email: str, name: str, language: str, zone: str, now: datetime) -> tuple[User, list[Write]]:
    """Return the user and the writes that make them; to write them raises Conflict where the address is another's.

    All of it was checked: `normal_email`, `fit_name`, `known_language`, `known_zone`.
    """
    user = User(id=UserId(new_id("usr", now)), email=email, name=name, language=language, zone=zone, created_at=now)
    return user, [Insert(COLLECTION, user.id, documents.encode(user)), taking(user.email, user.id)]


def taking(email: str, user: UserId) -> Insert:
    """The write by which an address becomes the user's."""
    return Insert(EMAILS, derived_id("eml", email), documents.encode(Taken(user=user)))


class Users:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, id: UserId) -> User:
        """Raises NotFound."""
        found = await self.held(id)
        if found is None:
            raise NotFound("there is no such user")
        return found.value

    async def held(self, id: UserId) -> Held[User] | None:
        return await changes.held(self._store, COLLECTION, id, read)

    async def by_email(self, email: str) -> User | None:
        """`email` is normalised."""
        stored = await self._store.get(EMAILS, derived_id("eml", email))
        if stored is None:
            return None
        return await self.get(documents.decode(Taken, stored.document, SCHEMA, {}).user)

    async def create(
        self, email: str, name: str, language: str, zone: str, now: datetime, *, along: Sequence[Write] = ()
    ) -> User:
        """Make a user, with `along` in the same transact; raises Conflict where the address is another's."""
        user, writes = new_user(email, name, language, zone, now)
        await self._store.transact([*writes, *along])
        return user

    async def change(self, id: UserId, decide: Decide[User], expected: int | None = None) -> Held[User]:
        """As `changes.change`; `decide` leaves `email` alone."""
        return await changes.change(self._store, COLLECTION, id, read, decide, expected)

    async def moving(self, id: UserId, email: str) -> list[Write]:
        """What gives the user another address; to write it raises Conflict where that is somebody's, or was changed."""
        held, before = await self.held(id), None
        if held is not None:
            before = await self._store.get(EMAILS, derived_id("eml", held.value.email))
        if held is None or before is None:
            raise NotFound("there is no such user")
        after = replace(held.value, email=email)
        return [
            held.replacing(COLLECTION, id, after),
            Delete(EMAILS, before.id, before.token),
            taking(email, id),
        ]

    async def set_profile(
        self, actor: audit.Actor, id: UserId, profile: Profile, now: datetime, expected: int | None = None
    ) -> Held[User]:
        """Raises NotFound, BadInput, Changed, Conflict."""

        def decide(user: User) -> tuple[User, list[Write]]:
            after = _with_profile(user, profile)
            return (user if after == user else after), [audit.record(actor, CHANGE, now, clinic=PLATFORM, user=id)]

        return await self.change(id, decide, expected)


def _with_profile(user: User, profile: Profile) -> User:
    return replace(
        user,
        name=user.name if profile.name is UNSET else fit_name(profile.name),
        language=user.language if profile.language is UNSET else known_language(profile.language),
        zone=user.zone if profile.zone is UNSET else known_zone(profile.zone),
    )


def read(stored: Stored) -> User:
    return documents.decode(User, stored.document, SCHEMA, {})
