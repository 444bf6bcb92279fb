"""A patient taken along and erased, over the door of a whole server; and what another process makes of it at once."""

import asyncio
import contextlib
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from api import call
from api.erasures import ErasureView
from medinova_rt import archive, documents, patients, sessions, vault
from medinova_rt.access import PROOF_LIFE
from medinova_rt.adapters.local_keys import LocalKeys
from medinova_rt.adapters.sealed_store import SealedStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.attested import Attested, holds
from medinova_rt.erasures import Stage, Statement
from medinova_rt.exports import Manifest
from medinova_rt.folder import DATABASE, FINDS, KEY_STORE, KEYS, SEALINGS
from medinova_rt.grants import StaffRole
from medinova_rt.ids import PatientId
from medinova_rt.phi import Basis
from medinova_rt.ports import Replace
from medinova_rt.vault import Vault
from tests.api.town import HERE, Answer, Town, town

ADMIN, LATE = "administrator", "administrator/late"  # who proved long ago that it is them
PROMISED_S = 5  # after which a destroyed key opens nothing anywhere
DEADLINE_S = 60  # of a machine that is busy with others
BEN = {
    "given": "Ben",
    "family": "Adams",
    "birth_date": "1990-05-17",
    "language": "es",
    "zone": "Europe/Madrid",
    "email": "ben@example.org",
    "number": "B-1",
}


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path) as made:
        await made.member(LATE, HERE, StaffRole.ADMINISTRATOR)
        store = made.app[call.STORE]
        held = await store.get(sessions.COLLECTION, made.sessions[LATE])
        assert held is not None
        ago = made.app[call.CLOCK]() - PROOF_LIFE - timedelta(seconds=1)
        aged = replace(sessions.read(held), authenticated_at=ago, second_at=ago)
        await store.transact([Replace(sessions.COLLECTION, held.id, documents.encode(aged), held.token)])
        yield made


async def registered(town: Town) -> PatientId:
    """A patient whom no clinician ever saw, so that the law keeps nothing of their care."""
    said = {"Idempotency-Key": '"ben"'}
    answer = await town.ask("front-desk", "POST", f"/v1/clinics/{HERE}/patients", said, json=BEN)
    assert answer.status == 201, answer.body
    return PatientId(msgspec.json.decode(answer.body)["id"])


async def ordered(town: Town, who: str, patient: str, version: str = "*") -> Answer:
    body = {"asked_on": town.app[call.CLOCK]().date().isoformat()}
    return await town.ask(who, "POST", f"/v1/patients/{patient}/erasure", {"If-Match": version}, json=body)


async def certified(town: Town, answer: Answer) -> ErasureView:
    """Look where the answer says until it is done."""
    assert answer.status == 202, answer.body
    async with asyncio.timeout(DEADLINE_S):
        while True:
            seen = await town.ask(ADMIN, "GET", answer.headers["Location"])
            assert seen.status == 200, seen.body
            erasure = msgspec.json.decode(seen.body, type=ErasureView)
            if erasure.certificate is not None:
                return erasure
            await asyncio.sleep(0.05)


def signed(town: Town, attested: Any) -> str:
    """What was signed with the server's own key."""
    said = msgspec.convert(attested, Attested, from_attributes=True)
    assert holds(archive.signing_key(town.app[call.SETTINGS]), said)
    return said.statement


class Elsewhere:
    """What another process remembers of the same files; its clock is set by hand."""

    def __init__(self, data: Path) -> None:
        self.now = 0.0
        self.documents = SqliteStore(data / DATABASE, FINDS)
        self.kept, self.keys = SqliteStore(data / KEY_STORE, vault.FINDS), LocalKeys(data / KEYS)
        self.vault = Vault(self.kept, self.keys, lambda: datetime.now(UTC), monotonic=lambda: self.now)
        self.store = SealedStore(self.documents, self.vault, SEALINGS)

    async def patient(self, id: PatientId) -> patients.Patient | None:
        found = await self.store.get(patients.COLLECTION, id)
        return None if found is None else patients.read(found)


@contextlib.asynccontextmanager
async def elsewhere(data: Path) -> AsyncIterator[Elsewhere]:
    """Not asking by itself which keys are gone: it has only what it remembers, and for how long."""
    made = Elsewhere(data)
    await made.keys.open()
    await made.kept.open()
    await made.documents.open()
    try:
        yield made
    finally:
        await made.vault.close()
        await made.documents.close()
        await made.kept.close()
        await made.keys.close()


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [
        ("front-desk", 403, "forbidden"),
        (LATE, 403, "prove-again"),
        ("there/administrator", 404, "not-found"),
        ("stranger", 401, "not-authenticated"),
    ],
)
async def test_who_may_neither_take_along_nor_erase(built: Town, who: str, status: int, code: str) -> None:
    patient = built.ids["patient"]
    answer = await ordered(built, who, patient)
    assert (answer.status, answer.code) == (status, code)
    answer = await built.ask(who, "POST", f"/v1/patients/{patient}/export")
    assert (answer.status, answer.code) == (status, code)


async def test_what_is_taken_along_is_whole_and_signed(built: Town) -> None:
    patient = await registered(built)
    answer = await built.ask(ADMIN, "POST", f"/v1/patients/{patient}/export")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as taken:
        manifest = msgspec.json.decode(signed(built, msgspec.json.decode(taken.read("manifest.json"))), type=Manifest)
        for file in manifest.files:
            assert sha256(taken.read(file.name)).hexdigest() == file.sha256
        (record,) = msgspec.json.decode(taken.read("patient.json"))
    assert manifest.patient == patient
    assert {name: record[name] for name in BEN} == BEN


async def test_of_who_was_never_cared_for_nothing_is_left(built: Town, tmp_path: Path) -> None:
    patient = await registered(built)
    async with elsewhere(tmp_path / "var") as other:
        seen = await other.patient(patient)
        assert seen is not None
        assert seen.email == BEN["email"]
        erasure = await certified(built, await ordered(built, ADMIN, patient))
        other.now += PROMISED_S
        assert await other.patient(patient) is None
    statement = msgspec.json.decode(signed(built, erasure.certificate), type=Statement)
    assert statement.patient == patient
    assert {each.basis for each in statement.gone} == {Basis.CONTACT, Basis.CONSENT, Basis.CARE}
    assert (await built.ask(ADMIN, "GET", f"/v1/patients/{patient}")).status == 404
    assert (await ordered(built, ADMIN, patient)).status == 404
    listed = await built.ask(ADMIN, "GET", f"/v1/clinics/{HERE}/erasures")
    assert erasure.id in {each["id"] for each in msgspec.json.decode(listed.body)["items"]}


async def test_the_record_of_who_was_cared_for_is_closed(built: Town) -> None:
    patient = PatientId(built.ids["patient"])
    answer = await ordered(built, ADMIN, patient, '"9-0123456789abcdef"')
    assert (answer.status, answer.code) == (412, "changed")
    erasure = await certified(built, await ordered(built, ADMIN, patient))
    assert erasure.stage is Stage.KEPT
    assert Basis.CARE in {each.basis for each in erasure.kept}
    answer = await ordered(built, ADMIN, patient)
    assert (answer.status, answer.code) == (409, "wrong-state")
    closed = msgspec.json.decode((await built.ask(ADMIN, "GET", f"/v1/patients/{patient}")).body)
    assert (closed["state"], closed["email"], closed["treating"]) == ("closed", None, [])
    assert (await built.ask("treating", "GET", f"/v1/patients/{patient}")).status in (403, 404)
    assert (await built.ask("self", "GET", f"/v1/patients/{patient}")).status == 404
