import pytest

from medinova_rt import passwords
from medinova_rt.errors import BadInput
from medinova_rt.passwords import MINIMUM, STAFF_MINIMUM, check

NEAR = ("Roberta Núñez", "roberta.nunez@example.org", "Praxis Süd")

GOOD = [
    "correct horse battery staple",
    "zq8!kfmw",
    "        x       ",  # spaces are characters
    "пять зелёных кошек",
    "五匹の緑の猫が走る夜",
    "🦊🐢🦉🐙🦀🐝🦋🐌",
    "w" + "aeiou" * 50,
    "roberta keeps three tall ladders",  # her name is in it, and much else
    'quote"\\ and \x00\t',
]
BAD = [
    ("zq8!kfm", "at least 8"),
    ("e\N{COMBINING ACUTE ACCENT}" * 7, "at least 8"),  # seven characters, however they are typed
    ("x" * 257, "at most 256"),
    ("password", "tried first"),
    ("PassWord123", "tried first"),
    ("1q2w3e4r5t", "tried first"),
    ("aaaaaaaaaaaa", "tried first"),
    ("ab1ab1ab1ab1", "tried first"),
    ("robertanunez", "too close"),
    ("Roberta2026", "too close"),
    ("ROBERTA.NUNEZ@example.org", "too close"),
    ("nu\N{COMBINING ACUTE ACCENT}n\N{COMBINING TILDE}ez!núñez", "too close"),
    ("PraxisSüd1!", "too close"),
    ("MediNova1", "too close"),
]


@pytest.mark.parametrize("password", GOOD)
def test_good(password: str) -> None:
    check(password, MINIMUM, NEAR)


@pytest.mark.parametrize(("password", "why"), BAD)
def test_bad(password: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        check(password, MINIMUM, NEAR)
    assert refused.value.pointer == "/password"
    assert password.casefold() == "password" or password not in str(refused.value)


@pytest.mark.parametrize(("length", "fits"), [(11, False), (12, True), (128, True), (256, True)])
def test_lengths_of_staff(length: int, fits: bool) -> None:
    password = ("zq8!kfmw plus some" * 20)[:length]
    if fits:
        check(password, STAFF_MINIMUM, NEAR)
    else:
        with pytest.raises(BadInput, match="at least 12"):
            check(password, STAFF_MINIMUM, NEAR)


def test_half_a_surrogate_is_no_text() -> None:
    with pytest.raises(BadInput, match="is text"):
        check("zq8!kfmw\ud800", MINIMUM)


def test_thousands_of_common_ones_are_known() -> None:
    assert len(passwords._common()) > 8000


def test_one_password_however_it_is_typed() -> None:
    assert passwords.normal("Ame\N{COMBINING ACUTE ACCENT}lie") == passwords.normal("Amélie")
