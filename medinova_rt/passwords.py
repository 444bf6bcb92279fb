"""Which passwords are good enough: OWASP ASVS 5.0 §6.2 and NIST SP 800-63B-4 §3.1.1, all of it offline.

A password is any Unicode text, put into NFC before it is measured or hashed, so that one keyboard's é is another's. Its
length counts in code points; there are no rules of composition, nothing expires, and there is no hint. Refused is what
others would try first: the commonest passwords of known breaches, a few characters over and over, and what is little
more than the person's own name, e-mail or clinic.

Whoever works at a clinic or operates the platform needs 12 characters, since with theirs goes the sight of many
patients' records and a clinic may do without second factors; everybody else 8.
"""

import functools
import unicodedata
from collections.abc import Iterable
from importlib import resources

from medinova_rt.errors import BadInput

MINIMUM = 8
STAFF_MINIMUM = 12
MAXIMUM = 256
LONGEST_UNIT = 4  # of what may not make up a password by being repeated
SHORTEST_WORD = 4  # that counts as the person's own
OF_ITS_OWN = 6  # characters that a password needs beside such words

COMMON = "common-passwords.txt"


def normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)


def check(password: str, minimum: int, near: Iterable[str] = (), pointer: str = "/password") -> None:
    """Raise BadInput unless it may be a password. `near`: name, e-mail, clinic, as they are written."""
    text = normal(password)
    plain = text.casefold()
    if len(text) < minimum:
        raise BadInput(f"a password has at least {minimum} characters", pointer)
    if len(text) > MAXIMUM:
        raise BadInput(f"a password has at most {MAXIMUM} characters", pointer)
    if any(unicodedata.category(each) == "Cs" for each in text):
        raise BadInput("a password is text", pointer)
    if plain in _common() or _is_repeated(plain):
        raise BadInput("this password is one of those that are tried first", pointer)
    if _is_near(plain, near):
        raise BadInput("this password is too close to your name, your e-mail or your clinic", pointer)


def _is_repeated(text: str) -> bool:
    """Whether it is a few characters over and over."""
    return any(text == (text[:unit] * len(text))[: len(text)] for unit in range(1, LONGEST_UNIT + 1))


def _is_near(plain: str, near: Iterable[str]) -> bool:
    words = {"medinova", *(word for each in near for word in _words(each))}
    left = plain
    for word in sorted(words, key=len, reverse=True):
        left = left.replace(word, "")
    return left != plain and len(left) < OF_ITS_OWN


def _words(text: str) -> list[str]:
    plain = normal(text).casefold()
    parts = "".join(each if each.isalnum() else " " for each in plain).split()
    return [word for word in (plain, "".join(parts), *parts) if len(word) >= SHORTEST_WORD]


@functools.cache
def _common() -> frozenset[str]:
    text = resources.files("medinova_rt").joinpath(COMMON).read_text("utf-8")
    return frozenset(normal(line).casefold() for line in text.splitlines() if line[:2] not in ("#", "# "))
