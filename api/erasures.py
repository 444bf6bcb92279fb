"""A patient's own data: taken along, and erased."""

from datetime import date
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from api import paging
from api.call import ERASURES, EXPORTS, Call, Instant, Reply
from medinova_rt.erasures import Erasure, Gone, Kept, Stage
from medinova_rt.ids import ClinicId, ErasureId, PatientId


class ErasureOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """`asked_on`: the day on which the patient asked; they have an answer within a month."""

    asked_on: date


class GoneView(Struct, frozen=True):
    """Whose key was destroyed: nothing reads those fields again."""

    basis: str
    fields: list[str]
    destroyed_at: Instant


class KeptView(Struct, frozen=True):
    """What a law has the clinic keep until then at least. All but who saw the record goes by itself at `until`."""

    basis: str
    fields: list[str]
    law: str
    until: Instant


class CertificateView(Struct, frozen=True):
    """`signature` is Ed25519 over the UTF-8 of `statement`, in hexadecimal; `key` names the server's audit key."""

    statement: Annotated[str, Meta(description="JSON, as it was signed.")]
    key: str
    signature: str


class ErasureView(Struct, frozen=True):
    """How far an erasure is. The certificate comes as soon as what goes is gone."""

    id: ErasureId
    patient: PatientId
    merged: list[PatientId]
    asked_on: date
    ordered_at: Instant
    stage: Stage
    gone: list[GoneView]
    kept: list[KeptView]
    key_backups_until: Instant | None
    certificate: CertificateView | None


class ErasurePage(Struct, frozen=True):
    """The latest first."""

    items: list[ErasureView]
    next_cursor: str | None


async def order(call: Call[ErasureOrder]) -> Reply:
    """Erase a patient: all that the law does not keep, at once; the rest is closed and goes when its time is over."""
    patient = PatientId(call.path["patient"])
    held = await call.app[ERASURES].order(call.principal, patient, call.body.asked_on, call.now, call.expected)
    return Reply(view(held.value), {"Location": f"/v1/clinics/{held.value.clinic}/erasures/{held.value.id}"})


async def read(call: Call[None]) -> Reply:
    """Read how far an erasure is, with its certificate."""
    held = await call.app[ERASURES].read(call.principal, ErasureId(call.path["erasure"]), call.now)
    return Reply(view(held.value), etag=held.version)


async def listed(call: Call[None]) -> Reply:
    """List the erasures of a clinic, the latest first."""
    clinic, query = ClinicId(call.path["clinic"]), call.query
    found, cursor = await call.app[ERASURES].of_clinic(call.principal, clinic, call.now, query.limit, query.cursor)
    return paging.reply(call, ErasurePage([view(each) for each in found], cursor), cursor)


async def export(call: Call[None]) -> web.Response:
    """Take along all that the clinic has of a patient: a zip of JSON with a signed manifest."""
    patient = PatientId(call.path["patient"])
    made = await call.app[EXPORTS].of_patient(call.principal, patient, call.now)
    said = {"Content-Disposition": f'attachment; filename="{patient}.zip"'}
    return web.Response(body=made, content_type="application/zip", headers=said)


def view(erasure: Erasure) -> ErasureView:
    signed = erasure.certificate
    return ErasureView(
        id=erasure.id,
        patient=erasure.patient,
        merged=erasure.merged,
        asked_on=erasure.asked_on,
        ordered_at=erasure.ordered_at,
        stage=erasure.stage,
        gone=[_gone(each) for each in erasure.gone],
        kept=[_kept(each) for each in erasure.kept],
        key_backups_until=erasure.key_backups_until,
        certificate=CertificateView(signed.statement, signed.key, signed.signature) if signed else None,
    )


def _gone(gone: Gone) -> GoneView:
    return GoneView(gone.basis, gone.fields, gone.destroyed_at)


def _kept(kept: Kept) -> KeptView:
    return KeptView(kept.basis, kept.fields, kept.law, kept.until)
