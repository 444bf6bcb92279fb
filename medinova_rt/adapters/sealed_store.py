"""A Store whose private fields are sealed before they reach what is below, and opened when they are read.

A collection's `Sealing` says which fields and under whose key. All sealed fields of one basis in a document are one
ciphertext, `document["sealed"][basis]`: AES-256-GCM over their JSON with a random nonce, in base64. Clinic, collection,
id and basis are bound to it, and its key is named, so it opens only where it was put.

    1 byte: 1, the layout | 8: reference of the key | 12: nonce | ciphertext | 16: tag

A random nonce of 96 bits bears 2^32 documents under one key (NIST SP 800-38D §8.3). A person's stays far below; that
of a clinic, under which the addresses of its audit records are, gets there after 34 years at four records a second.

What was written before anything was sealed has no `sealed` and is read as it is. A document whose key was destroyed is
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

from medinova_rt.errors import BadInput, KeyLost, NotFound, Unavailable
from medinova_rt.ids import ClinicId
from medinova_rt.layered import LayeredStore
from medinova_rt.phi import Basis, Mark, Sealing, marks
from medinova_rt.ports import Delete, Find, Insert, Page, Replace, Store, Stored, Token, Write
from medinova_rt.vault import REFERENCE_BYTES, Key, Place, Vault

LAYOUT: Final = b"\x01"
NONCE_BYTES = 12
TAG_BYTES = 16
SEALED: Final = "sealed"  # the field

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
    if not private or not sealing.bases.keys() <= private or sealing.subject not in fields.keys() - private:
        raise TypeError(f"the sealing of {sealing.collection} does not fit {sealing.kind.__name__}")
    return _Plan(
        sealing.subject,
        tuple(
            _Group(basis.value, tuple(names), f"{sealing.collection}\n{basis.value}", basis is sealing.basis)
            for basis, names in groups.items()
        ),
    )


class SealedStore(LayeredStore):
    def __init__(self, store: Store, vault: Vault, sealings: Sequence[Sealing]) -> None:
        super().__init__(store)
        self._vault = vault
        self._plans = {each.collection: _plan(each) for each in sealings}
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`: documents that were read and could not be opened, and why."""
        return dict(self._counts)

    # --- reading ---

    async def get(self, collection: str, id: str) -> Stored | None:
        stored = await self._below.get(collection, id)
        if stored is None or collection not in self._plans or type(stored.document.get(SEALED)) is not dict:
            return stored
        plan = self._plans[collection]
        missing = self._missing(plan, [stored])
        return self._opened(plan, stored, await self._fetched(missing) if missing else {})

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
        missing = self._missing(plan, page.rows)
        keys = await self._fetched(missing) if missing else {}
        opened = [self._opened(plan, row, keys) for row in page.rows]
        return Page([row for row in opened if row is not None], page.cursor)

    def _missing(self, plan: _Plan, rows: Sequence[Stored]) -> dict[Place, ClinicId]:
        """Which keys have to be fetched, and of which clinic."""
        found: dict[Place, ClinicId] = {}
        for row in rows:
            document = row.document
            sealed = document.get(SEALED)
            if type(sealed) is not dict:
                continue
            subject = document.get(plan.subject) or document["clinic"]
            for group in plan.groups:
                if group.basis in sealed and self._vault.at_hand(subject, group.basis) is None:
                    found[subject, group.basis] = document["clinic"]
        return found

    async def _fetched(self, missing: Mapping[Place, ClinicId]) -> dict[Place, Key]:
        """They are used from here: the vault may have forgotten the first when the last one comes."""
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
            key = keys.get((subject, group.basis)) or self._vault.at_hand(subject, group.basis)
            assert key is not None
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
        return await self._below.transact([await self._sealed(each) for each in writes])

    async def _sealed(self, write: Write) -> Write:
        """Raises NotFound where its key was destroyed: whoever it is about has been erased."""
        if isinstance(write, Delete) or (plan := self._plans.get(write.collection)) is None:
            return write
        document = dict(write.document)
        clinic = document["clinic"]
        subject = document.get(plan.subject) or clinic
        sealed: dict[str, str] = {}
        for group in plan.groups:
            private = {name: document[name] for name, _ in group.fields if name in document}
            if not any(private[name] and private[name] != default for name, default in group.fields if name in private):
                continue  # nothing to tell
            key = self._vault.at_hand(subject, group.basis)
            if key is None:
                key = await self._vault.key(clinic, subject, group.basis, make=True)
            if key.cipher is None:
                raise NotFound("whoever this is about was erased")
            for name in private:
                del document[name]
            nonce = os.urandom(NONCE_BYTES)
            body = key.cipher.encrypt(nonce, _encoded(private), _bound(group, clinic, write.id))
            sealed[group.basis] = msgspec.to_builtins(LAYOUT + key.reference + nonce + body)  # base64
        if sealed:
            document[SEALED] = sealed
        if isinstance(write, Replace):
            return Replace(write.collection, write.id, document, write.token)
        return Insert(write.collection, write.id, document)


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
