"""Identifiers: a prefix that names the noun, then time-ordered random letters and digits.

128 bits as in RFC 9562's UUIDv7 (48 bits of milliseconds, 80 of randomness) in base 32, so that ids sort by age, are
valid as they are in URLs, FHIR and Firestore, and never exceed 40 characters. An id grants nothing.
"""

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

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread


def new_id(prefix: str, now: datetime) -> str:
    """Return a fresh id, e.g. `vis-06ev2x3k8m0000000000000000`; ids made in different milliseconds sort by time."""
    number = (int(now.timestamp() * 1000) << 80) | secrets.randbits(80)
    return f"{prefix}-" + "".join(_DIGITS[(number >> shift) & 31] for shift in range(125, -1, -5))
