"""A unique token for every private field, and how to find it again however it is written.

Fields are enumerated by their marks: one that is new fails `test_every_private_field_has_a_canary` until the walk
plants it or somebody writes down why it cannot.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping

from medinova_rt.phi import Mark, marks
from tests.medinova_rt.test_phi import nouns


def letters(name: str, count: int = 16) -> str:
    """Return letters that stand nowhere else; the same each time."""
    number = int.from_bytes(hashlib.sha256(f"canary {name}".encode()).digest())
    word = ""
    for _ in range(count):
        number, digit = divmod(number, 20)
        word += "bcdfghjklmnpqrstvwxz"[digit]
    return word


ADDRESS = "2001:db8:ca9a:27ee::5a1d"  # believed of a proxy
STRAY = letters("stray")  # in whatever is wrong
AGENT = letters("agent")
PASSWORD = letters("password")

# what is planted in a field
PLANTED: Mapping[str, str] = {
    "ChatLine.text": letters("ChatLine.text"),
    "Emergency.reason": letters("Emergency.reason"),
    "Identifier.value": letters("Identifier.value"),
    "Invitation.email": f"{letters('Invitation.email')}@example.org",
    "Invitation.name": letters("Invitation.name").title(),
    "NewAddress.email": f"{letters('NewAddress.email')}@example.org",
    "Patient.birth_date": "1903-02-17",
    "Patient.email": f"{letters('Patient.email')}@example.org",
    "Patient.family": letters("Patient.family").title(),
    "Patient.given": letters("Patient.given").title(),
    "Patient.number": letters("Patient.number"),
    "Patient.phone": "+34655903172",
    "Patient.zone": "Pacific/Pitcairn",
    "Profile.name": letters("Profile.name").title(),
    "Record.address": ADDRESS,
    "Seat.name": letters("Seat.name").title(),
    "Session.address": ADDRESS,
    "User.email": f"{letters('User.email')}@example.org",
    "User.name": letters("User.name").title(),
}
# what cannot hold a token of its own, and why that is no gap
NOT_PLANTED: Mapping[str, str] = {
    "Answer.body": "an answer, which holds the others",
    "Draft.parameters": "the codes and links of a letter, taken from the letter itself",
    "Draft.to": "the address of a user or invitation",
    "Patient.language": "one of two",
    "Record.answer": "an answer, which holds the others",
    "Spent.id": "the address or account that somebody tries, and the network they do it from",
    "Session.device": "one of some thirty; what it is read from is planted in the header (AGENT)",
}
NOWHERE = {"stray": STRAY, "agent": AGENT, "password": PASSWORD}  # what is to be kept nowhere at all


def private_fields() -> set[str]:
    return {
        f"{kind.__name__}.{field}"
        for kind in nouns()
        for field, mark in marks(kind).items()
        if mark is not Mark.OPEN and kind.__name__ != "Entry"  # of memory alone
    }


def spellings(token: str) -> set[bytes]:
    """The token as it stands, in JSON and addresses, in UTF-16, hexadecimal and at each offset of base 64."""
    plain = token.lower().encode()
    shifted = {base64.b64encode(b"\0" * shift + plain)[4 if shift else 0 :][:-4] for shift in range(3)}
    quoted = {plain.replace(b"@", b"%40"), plain.replace(b"/", b"%2f"), plain.replace(b"+", b"%2b")}
    return (
        {plain, plain.decode().encode("utf-16-le"), plain.hex().encode()} | quoted | {each.lower() for each in shifted}
    )


def found(tokens: Mapping[str, str], content: bytes) -> set[str]:
    """The names of the tokens that the content holds."""
    low = content.lower()
    return {name for name, token in tokens.items() if any(each in low for each in spellings(token))}


def hits(tokens: Mapping[str, str], places: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Where there is what: empty if all is well."""
    return {place: sorted(names) for place, content in places.items() if (names := found(tokens, content))}


def all_but(*names: str) -> dict[str, str]:
    return {name: token for name, token in {**PLANTED, **NOWHERE}.items() if name not in names}


def joined(parts: Iterable[bytes]) -> bytes:
    return b"\n".join(parts)
