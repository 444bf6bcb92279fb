import io
import zipfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from medinova_rt import exports
from medinova_rt.attested import Attested, holds
from medinova_rt.errors import NotFound
from medinova_rt.exports import Exports, Manifest
from medinova_rt.grants import Kind, Scope
from medinova_rt.ids import PatientId
from tests.medinova_rt.test_erasures import ADMIN, KEY, Clinic, opened
from tests.medinova_rt.ward import NOW, acting


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    async with opened("sqlite", tmp_path) as made:
        yield made


def manifest(archive: zipfile.ZipFile) -> Manifest:
    signed = msgspec.json.decode(archive.read("manifest.json"), type=Attested)
    assert holds(KEY, signed)
    return msgspec.json.decode(signed.statement, type=Manifest)


async def test_an_export_is_whole_and_signed(clinic: Clinic) -> None:
    patient, other = await clinic.patient(given="Annabel"), await clinic.patient(number="B-2")
    await clinic.merges.merge(acting("front-desk"), patient.id, other.id, NOW)
    user = await clinic.user("mum")
    await clinic.relations.add(acting("front-desk"), patient.id, user, Kind.CARER, [Scope.RECORD], NOW)
    made = await Exports(clinic.store, clinic.patients, KEY).of_patient(ADMIN, patient.id, NOW)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        found = manifest(archive)
        for file in found.files:
            body = archive.read(file.name)
            assert (len(body), sha256(body).hexdigest()) == (file.bytes, file.sha256)
            assert file.is_whole
        assert {file.name for file in found.files} | {"manifest.json"} == set(archive.namelist())
        records = msgspec.json.decode(archive.read("patient.json"))
        relations = msgspec.json.decode(archive.read("relations.json"))
        accesses = archive.read("accesses.json").decode()
    assert [(each["id"], each["given"]) for each in records] == [(patient.id, "Annabel"), (other.id, other.given)]
    assert [each["user"] for each in relations] == [user]
    assert "patient.export" in accesses  # to take it along is an access too
    assert "192.0.2." not in accesses  # where others asked from is theirs


async def test_what_is_left_out_is_said(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_ROWS", 2)
    monkeypatch.setattr(exports, "MAX_PAGE", 2)
    patient = await clinic.patient()
    for _ in range(5):
        await clinic.seen(patient)
    made = await Exports(clinic.store, clinic.patients, KEY).of_patient(ADMIN, patient.id, NOW)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        files = {file.name: (file.rows, file.is_whole) for file in manifest(archive).files}
    assert files["accesses.json"] == (2, False)
    assert files["patient.json"] == (1, True)


async def test_there_is_none_of_whom_there_is_not(clinic: Clinic) -> None:
    with pytest.raises(NotFound):
        await Exports(clinic.store, clinic.patients, KEY).of_patient(ADMIN, PatientId("pat-none"), NOW)
