"""All that the clinic has of a patient, to take along (GDPR, Art. 15 and 20): a zip of JSON with a signed manifest.

The manifest lists each file with its length and SHA-256, and is attested: whoever is handed the export can tell that
it is whole and whose it is.
"""

import asyncio
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct

from medinova_rt import audit, emergency, grants
from medinova_rt.attested import attest
from medinova_rt.errors import NotFound
from medinova_rt.grants import RELATIONS
from medinova_rt.ids import ClinicId, PatientId
from medinova_rt.patients import Patient, Patients
from medinova_rt.phi import Open
from medinova_rt.ports import MAX_PAGE, Find, Store, Stored
from medinova_rt.principals import Principal
from medinova_rt.rights import Action
from medinova_rt.signing import SigningKey

FORMAT: Final = "medinova-patient-export/1"
MAX_ROWS = 50_000  # of one file; the manifest says where there were more
MAX_MADE = 2  # at once: each holds all of it in memory
EPOCH = (1980, 1, 1, 0, 0, 0)  # of each file in the zip, so that the same data makes the same bytes


class File(Struct, frozen=True, kw_only=True):
    name: Open[str]
    bytes: Open[int]
    sha256: Open[str]
    rows: Open[int]
    is_whole: Open[bool]


class Manifest(Struct, frozen=True, kw_only=True):
    format: Open[str] = FORMAT
    clinic: Open[ClinicId]
    patient: Open[PatientId]
    merged: Open[list[PatientId]]
    made_at: Open[datetime]
    files: Open[list[File]]


class Exports:
    def __init__(self, store: Store, patients: Patients, key: SigningKey) -> None:
        self._store = store
        self._patients = patients
        self._key = key
        self._making = asyncio.Semaphore(MAX_MADE)

    async def of_patient(self, principal: Principal, id: PatientId, now: datetime) -> bytes:
        """The zip; leaves word of it first. Raises NotFound."""
        async with self._making:
            patient = (await self._patients.read(principal, id, now, Action.PATIENT_EXPORT)).value
            everybody = (patient.id, *patient.absorbed)
            contents = {
                "patient.json": ([patient, *await self._absorbed(patient)], True),
                "relations.json": await self._rows(grants.BY_PATIENT, everybody, _relation),
                "emergencies.json": await self._rows(emergency.BY_PATIENT, everybody, emergency.read),
                "accesses.json": await self._rows(audit.BY_PATIENT, everybody, _access),
            }
            return await asyncio.to_thread(self._zipped, patient, contents, now)

    async def _absorbed(self, patient: Patient) -> list[Patient]:
        found = []
        for each in patient.absorbed:
            try:
                found.append(await self._patients.get(each))
            except NotFound:
                continue  # was erased on its own
        return found

    async def _rows(
        self, find: Find, everybody: Sequence[PatientId], read: Callable[[Stored], Any]
    ) -> tuple[list[Any], bool]:
        found: list[Any] = []
        for each in everybody:
            cursor: str | None = None
            while True:
                page = await self._store.find(find, (each,), limit=MAX_PAGE, cursor=cursor)
                found += [made for made in map(read, page.rows) if made is not None]
                if len(found) >= MAX_ROWS and page.cursor is not None:
                    return found[:MAX_ROWS], False
                if (cursor := page.cursor) is None:
                    break
        return found, True

    def _zipped(self, patient: Patient, contents: dict[str, tuple[list[Any], bool]], now: datetime) -> bytes:
        made = io.BytesIO()
        files = []
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, (rows, is_whole) in contents.items():
                body = msgspec.json.format(msgspec.json.encode(rows), indent=1)
                _add(archive, name, body)
                digest = sha256(body).hexdigest()
                files.append(File(name=name, bytes=len(body), sha256=digest, rows=len(rows), is_whole=is_whole))
            manifest = Manifest(
                clinic=patient.clinic, patient=patient.id, merged=list(patient.absorbed), made_at=now, files=files
            )
            _add(archive, "manifest.json", msgspec.json.encode(attest(self._key, manifest)))
        return made.getvalue()


def _add(archive: zipfile.ZipFile, name: str, body: bytes) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, body)


def _access(stored: Stored) -> Mapping[str, Any]:
    """As the list of who saw the record has it, without what is private about those who did."""
    record = audit.read(stored)
    return {name: getattr(record, name) for name in ("at", "actor_kind", "action", "outcome", "about")}


def _relation(stored: Stored) -> grants.Grant | None:
    grant = grants.read(stored)
    return grant if grant.kind in RELATIONS else None
