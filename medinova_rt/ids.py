"""Identifiers: a prefix that names the noun, then time-ordered random letters and digits.

128 bits as in RFC 9562's UUIDv7 (48 bits of milliseconds, 80 of randomness) in base 32, so that ids sort by age, are
valid as they are in URLs, FHIR and Firestore, and never exceed 40 characters. An id grants nothing.
"""

import hashlib
import secrets
from datetime import datetime
from typing import NewType

ClinicId = NewType("ClinicId", str)  # cli-…
VisitId = NewType("VisitId", str)  # vis-…
SeatId = NewType("SeatId", str)  # sea-…
LinkId = NewType("LinkId", str)  # lnk-…
JobId = NewType("JobId", str)  # job-…
AuditId = NewType("AuditId", str)  # aud-…
ChatId = NewType("ChatId", str)  # cht-…
MailId = NewType("MailId", str)  # mai-…

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread


def new_id(prefix: str, now: datetime) -> str:
    """Return a fresh id, e.g. `vis-06ev2x3k8m0000000000000000`; ids made in different milliseconds sort by time."""
    return _written(prefix, (int(now.timestamp() * 1000) << 80) | secrets.randbits(80))


def derived_id(prefix: str, *parts: str) -> str:
    """Return the id that always belongs to these parts: to insert under it twice is a Conflict."""
    told_apart = "".join(f"{len(part)}:{part}" for part in parts)
    digest = hashlib.sha256(told_apart.encode("utf-8", "surrogatepass")).digest()
    return _written(prefix, int.from_bytes(digest[:16], "big"))


def _written(prefix: str, number: int) -> str:
    return f"{prefix}-" + "".join(_DIGITS[(number >> shift) & 31] for shift in range(125, -1, -5))
