"""A Store whose private fields are sealed before they reach what is below, and opened when they are read.

A collection's `Sealing` says which fields and under whose key. All sealed fields of one basis in a document are one
ciphertext, `document["sealed"][basis]`: AES-256-GCM over their JSON with a random nonce, in base64. Clinic, collection,
id and basis are bound to it, and its key is named, so it opens only where it was put.

    1 byte: 1, the layout | 8: reference of the key | 12: nonce | ciphertext | 16: tag

A random nonce of 96 bits bears 2^32 documents under one key (NIST SP 800-38D §8.3). A person's stays far below; that
of a clinic, under which the addresses of its audit records are, gets there after 34 years at four records a second;
that of the platform, under which the answers of repeated requests are, after 16 months at a hundred a second.

An id that was derived from something private (`Sealing.blind`) is kept as its HMAC-SHA-256 under the platform's index
key: whoever has a copy of the store cannot try addresses out.

What was written before anything was sealed has no `sealed` and is read as it is, and one with a bare id is found under
that until all of them are known to be brought up (`settle`). A document whose key was destroyed is
as if it were not there; where only a further basis was (`Sealing.bases`), the fields of that one are left out.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args, get_type_hints

import msgspec
from cryptography.exceptions import InvalidTag

from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import BadInput, Conflict, KeyLost, NotFound, Unavailable
from medinova_rt.ids import ClinicId
from medinova_rt.layered import LayeredStore
from medinova_rt.phi import Basis, Mark, Sealing, marks
from medinova_rt.ports import Delete, Document, Find, Insert, Page, Replace, Store, Stored, Token, Write
from medinova_rt.vault import REFERENCE_BYTES, Key, Place, Vault

LAYOUT: Final = b"\x01"
NONCE_BYTES = 12
TAG_BYTES = 16
SEALED: Final = "sealed"  # the field
BLIND: Final = "blind-"  # how an id begins that is kept under a key
BLIND_DIGITS = 32  # hexadecimal
BARE: Final = "bare:"  # how a token begins of what was read under a bare id

COUNTS = ("destroyed", "lost", "damaged")

_NONCE = 1 + REFERENCE_BYTES  # where it begins
_BODY = _NONCE + NONCE_BYTES
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class _Group:
    """The fields of one basis, each with what it holds when there is nothing to tell."""

    basis: str
    fields: tuple[tuple[str, Any], ...]
    place: str  # what is bound to it, but for clinic and id
    is_main: bool  # without them there is no document


@dataclass(frozen=True, slots=True)
class _Plan:
    subject: str
    groups: tuple[_Group, ...]
    is_blind: bool


def sealed_fields(kind: type[msgspec.Struct]) -> set[str]:
    """Those that are private, and those that hold something with a private field."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        name
        for name, mark in marks(kind).items()
        if mark is not Mark.OPEN or any(map(sealed_fields, _within(hints[name])))
    }


def _within(hint: Any) -> Iterable[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for each in get_args(hint):
        yield from _within(each)


def _plan(sealing: Sealing) -> _Plan:
    """Raises TypeError for a sealing that leaves something open or cannot be read without a key."""
    fields, private = {each.name: each for each in msgspec.structs.fields(sealing.kind)}, sealed_fields(sealing.kind)
    groups: dict[Basis, list[tuple[str, Any]]] = {}
    for name in sorted(private):
        default = fields[name].default
        basis = sealing.bases.get(name, sealing.basis)
        if basis is not sealing.basis and fields[name].required:
            raise TypeError(f"{sealing.kind.__name__}.{name} may be erased alone and needs a default")
        groups.setdefault(basis, []).append((name, None if default is msgspec.NODEFAULT else default))
    if (
        not (private or sealing.blind)
        or not sealing.bases.keys() <= private
        or sealing.subject not in fields.keys() - private
    ):
        raise TypeError(f"the sealing of {sealing.collection} does not fit {sealing.kind.__name__}")
    return _Plan(
        sealing.subject,
        tuple(
            _Group(basis.value, tuple(names), f"{sealing.collection}\n{basis.value}", basis is sealing.basis)
            for basis, names in groups.items()
        ),
        sealing.blind,
    )


class SealedStore(LayeredStore):
    def __init__(self, store: Store, vault: Vault, sealings: Sequence[Sealing]) -> None:
        super().__init__(store)
        self._vault = vault
        self._plans = {each.collection: _plan(each) for each in sealings}
        self._is_settled = False
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    @property
    def collections(self) -> tuple[str, ...]:
        return tuple(self._plans)

    def settle(self) -> None:
        """No id is bare any more."""
        self._is_settled = True

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`: documents that were read and could not be opened, and why."""
        return dict(self._counts)

    # --- reading ---

    async def get(self, collection: str, id: str) -> Stored | None:
        plan = self._plans.get(collection)
        if plan is None:
            return await self._below.get(collection, id)
        stored = await (self._blindly(collection, id) if plan.is_blind else self._below.get(collection, id))
        if stored is None or type(stored.document.get(SEALED)) is not dict:
            return stored
        return self._opened(plan, stored, await self._keys(plan, [stored]))

    async def _blindly(self, collection: str, id: str) -> Stored | None:
        """The bare id comes first: what is brought up meanwhile is then found under the other."""
        if not self._is_settled and (bare := await self._below.get(collection, id)):
            return Stored(id, bare.document, bare.version, Token(BARE + bare.token))
        return await self._below.get(collection, await self._blinded(id))

    async def _blinded(self, id: str) -> str:
        """What a find returned is passed on as it is."""
        return id if id.startswith(BLIND) else f"{BLIND}{(await self._vault.mac(PLATFORM, id.encode()))[:BLIND_DIGITS]}"

    async def find(
        self,
        find: Find,
        equal: Sequence[str | int | bool] = (),
        *,
        at_least: str | int | None = None,
        below: str | int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        page = await self._below.find(find, equal, at_least=at_least, below=below, limit=limit, cursor=cursor)
        plan = self._plans.get(find.collection)
        if plan is None or not page.rows:
            return page
        keys = await self._keys(plan, page.rows)
        opened = [self._opened(plan, row, keys) for row in page.rows]
        return Page([row for row in opened if row is not None], page.cursor)

    async def _keys(self, plan: _Plan, rows: Sequence[Stored]) -> Mapping[Place, Key]:
        """Those that the rows are sealed under. They are kept here: the vault may let go of the first when the last one
        comes, or of all of them when it has to ask again."""
        held: dict[Place, Key] = {}
        missing: dict[Place, ClinicId] = {}
        for row in rows:
            document = row.document
            sealed = document.get(SEALED)
            if type(sealed) is not dict:
                continue
            subject = document.get(plan.subject) or document["clinic"]
            for group in plan.groups:
                place = (subject, group.basis)
                if group.basis not in sealed or place in held:
                    continue
                if key := self._vault.at_hand(*place):
                    held[place] = key
                else:
                    missing[place] = document["clinic"]
        if missing:
            held.update(await self._fetched(missing))
        return held

    async def _fetched(self, missing: Mapping[Place, ClinicId]) -> dict[Place, Key]:
        try:
            found = await asyncio.gather(
                *(self._vault.key(clinic, *place, make=False) for place, clinic in missing.items())
            )
        except KeyLost:
            self._counts["lost"] += 1
            raise
        return dict(zip(missing, found, strict=True))

    def _opened(self, plan: _Plan, stored: Stored, keys: Mapping[Place, Key]) -> Stored | None:
        """The document with its private fields, None where it was erased; raises KeyLost, Unavailable."""
        document = stored.document  # nobody else has it
        sealed = document.get(SEALED)
        if type(sealed) is not dict:
            return stored  # written before
        del document[SEALED]
        subject = document.get(plan.subject) or document["clinic"]
        for group in plan.groups:
            text = sealed.get(group.basis)
            if text is None:
                continue
            key = keys[subject, group.basis]
            if key.cipher is not None:
                document.update(self._plain(text, key, _bound(group, document["clinic"], stored.id)))
            elif group.is_main:
                self._counts["destroyed"] += 1
                return None
        return stored

    def _plain(self, text: str, key: Key, bound: bytes) -> dict[str, Any]:
        assert key.cipher is not None
        try:
            raw: bytes = msgspec.convert(text, bytes)
            if raw[:1] != LAYOUT or len(raw) < _BODY + TAG_BYTES:
                raise ValueError("this is nothing sealed")
            if raw[1:_NONCE] != key.reference:
                self._counts["lost"] += 1
                raise KeyLost("this was sealed under another key than the one that is there")
            return _decode(key.cipher.decrypt(raw[_NONCE:_BODY], raw[_BODY:], bound))
        except (InvalidTag, ValueError):  # msgspec's errors are ValueErrors
            self._counts["damaged"] += 1
            raise Unavailable(
                "what is kept here is damaged, or was put here by somebody else", permanent=True
            ) from None

    # --- writing ---

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        if len(writes) > 1 and self._lacking(writes) > 1:
            return await self._below.transact(await asyncio.gather(*map(self._sealed, writes)))  # keys come together
        return await self._below.transact([await self._sealed(each) for each in writes])

    def _lacking(self, writes: Sequence[Write]) -> int:
        """How many keys may have to be fetched or made."""
        places: set[Place] = set()
        for write in writes:
            plan = self._plans.get(write.collection)
            if plan is None or isinstance(write, Delete):
                continue
            subject = write.document.get(plan.subject) or write.document["clinic"]
            places.update(
                (subject, each.basis) for each in plan.groups if self._vault.at_hand(subject, each.basis) is None
            )
        return len(places)

    async def _sealed(self, write: Write) -> Write:
        """Raises NotFound where its key was destroyed: whoever it is about has been erased."""
        plan = self._plans.get(write.collection)
        if plan is None:
            return write
        place = await self._id(write) if plan.is_blind else write.id
        if isinstance(write, Insert):
            return Insert(write.collection, place, await self._closed(plan, place, write.document))
        token = Token(write.token.removeprefix(BARE))
        if isinstance(write, Delete):
            return Delete(write.collection, place, token)
        return Replace(write.collection, place, await self._closed(plan, place, write.document), token)

    async def _id(self, write: Write) -> str:
        """Where it goes; raises Conflict where it is there under its bare id."""
        if not isinstance(write, Insert):
            return write.id if write.token.startswith(BARE) else await self._blinded(write.id)
        if not self._is_settled and await self._below.get(write.collection, write.id):
            raise Conflict("somebody else changed it first")
        return await self._blinded(write.id)

    async def _closed(self, plan: _Plan, id: str, bare: Document) -> Document:
        """The document as it is kept."""
        document = dict(bare)
        clinic = document["clinic"]
        subject = document.get(plan.subject) or clinic
        sealed: dict[str, str] = {}
        for group in plan.groups:
            private: dict[str, Any] = {}
            tells = False
            for name, default in group.fields:
                if name in document:
                    value = private[name] = document.pop(name)
                    tells = tells or (bool(value) and value != default)
            if not tells:
                document.update(private)
                continue
            key = self._vault.at_hand(subject, group.basis)
            if key is None:
                key = await self._vault.key(clinic, subject, group.basis, make=True)
            if key.cipher is None:
                raise NotFound("whoever this is about was erased")
            nonce = os.urandom(NONCE_BYTES)
            body = key.cipher.encrypt(nonce, _encoded(private), _bound(group, clinic, id))
            sealed[group.basis] = msgspec.to_builtins(LAYOUT + key.reference + nonce + body)  # base64
        if sealed:
            document[SEALED] = sealed
        return document

    # --- what was written before ---

    async def bring_up(self, collection: str, cursor: str | None, limit: int = 100) -> tuple[int, str | None]:
        """Seal what is open among a page of documents, and put what has a bare id where it belongs.

        Return how many, and where to go on, if anywhere. Whoever changes one meanwhile has done it for us.
        """
        plan = self._plans[collection]
        page = await self._below.find(Find(collection), limit=limit, cursor=cursor)
        writes = [await self._brought_up(collection, plan, row) for row in page.rows]
        done = await asyncio.gather(*(self._put(each) for each in writes if each))
        return sum(done), page.cursor

    async def _brought_up(self, collection: str, plan: _Plan, row: Stored) -> list[Write]:
        """What is to be written; nothing for what is as it should be."""
        is_bare = plan.is_blind and not row.id.startswith(BLIND)
        if row.document.get("strand") or (type(row.document.get(SEALED)) is dict and not is_bare):
            return []  # the link of a chain was sealed when it was made
        opened = self._opened(plan, row, await self._keys(plan, [row]))
        place = await self._blinded(row.id) if is_bare else row.id
        gone = Delete(collection, row.id, row.token)
        try:
            document = None if opened is None else await self._closed(plan, place, opened.document)
        except NotFound:
            document = None
        if document is None:
            return [gone]  # whoever it is about was erased
        if is_bare:
            return [gone, Insert(collection, place, document)]
        return [Replace(collection, place, document, row.token)] if SEALED in document else []

    async def _put(self, writes: Sequence[Write]) -> bool:
        try:
            await self._below.transact(writes)
        except Conflict:
            return False
        return True


def _bound(group: _Group, clinic: str, id: str) -> bytes:
    return f"{group.place}\n{clinic}\n{id}".encode()


def _encoded(private: Mapping[str, Any]) -> bytes:
    """Raises BadInput, RuntimeError: as a store does for what is no JSON."""
    try:
        return _encode(private)
    except UnicodeEncodeError:
        raise BadInput("text is not valid Unicode") from None
    except (TypeError, OverflowError) as error:
        raise RuntimeError("a document is not JSON") from error
