import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medinova_rt.errors import NotAuthenticated
from medinova_rt.ids import LinkId, SeatId, VisitId
from medinova_rt.links import COOKIE_LIFE, MAX_TOKEN, TICKET_LIFE, Grant, Links

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
VISIT, SEAT, LINK = VisitId("vis-1"), SeatId("sea-1"), LinkId("lnk-1")

LINKS = Links(b"s" * 32)
FOREIGN = Links(b"t" * 32)

MAKE: dict[str, Callable[[Links], str]] = {
    "token": lambda links: links.make_token(VISIT, SEAT, LINK, LATER),
    "cookie": lambda links: links.make_cookie(VISIT, SEAT, LINK, NOW),
    "ticket": lambda links: links.make_ticket(VISIT, SEAT, LINK, NOW),
}
READ: dict[str, Callable[[str, datetime], Grant]] = {
    "token": LINKS.read_token,
    "cookie": LINKS.read_cookie,
    "ticket": LINKS.read_ticket,
}
LIFE = {"token": LATER - NOW, "cookie": COOKIE_LIFE, "ticket": TICKET_LIFE}
KINDS = list(MAKE)
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_what_was_signed_is_read(kind: str) -> None:
    grant = READ[kind](MAKE[kind](LINKS), NOW)
    assert (grant.visit, grant.seat, grant.link, grant.expires_at) == (VISIT, SEAT, LINK, NOW + LIFE[kind])


@kinds
def test_it_holds_until_it_expires(kind: str) -> None:
    text, end = MAKE[kind](LINKS), NOW + LIFE[kind]
    READ[kind](text, end - timedelta(microseconds=1))
    with pytest.raises(NotAuthenticated, match="expired"):
        READ[kind](text, end)


@pytest.mark.parametrize("made", KINDS)
@kinds
def test_no_purpose_passes_as_another(kind: str, made: str) -> None:
    if kind == made:
        READ[kind](MAKE[made](LINKS), NOW)
    else:
        with pytest.raises(NotAuthenticated):
            READ[kind](MAKE[made](LINKS), NOW)


@kinds
def test_another_secret_signs_for_nothing_here(kind: str) -> None:
    with pytest.raises(NotAuthenticated):
        READ[kind](MAKE[kind](FOREIGN), NOW)


@kinds
def test_a_changed_character_anywhere_is_refused(kind: str) -> None:
    text = MAKE[kind](LINKS)
    for place, old in enumerate(text):
        for new in string.ascii_letters + string.digits + ".-_=":
            if new != old:
                with pytest.raises(NotAuthenticated):
                    READ[kind](text[:place] + new + text[place + 1 :], NOW)


@given(st.sampled_from(KINDS), st.data())
def test_whatever_is_done_to_it_it_is_refused(kind: str, data: st.DataObject) -> None:
    text = MAKE[kind](LINKS)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    changed = text[:start] + data.draw(st.text(max_size=8)) + text[end:]
    if changed != text:
        with pytest.raises(NotAuthenticated):
            READ[kind](changed, NOW)


@given(st.sampled_from(KINDS), st.text(max_size=MAX_TOKEN + 10))
def test_arbitrary_text_is_refused(kind: str, text: str) -> None:
    with pytest.raises(NotAuthenticated):
        READ[kind](text, NOW)


@pytest.mark.parametrize(
    ("visit", "seat", "link"), [("vis-2", SEAT, LINK), (VISIT, "sea-2", LINK), (VISIT, SEAT, "lnk-2")]
)
def test_each_part_is_signed(visit: str, seat: str, link: str) -> None:
    assert LINKS.make_token(VisitId(visit), SeatId(seat), LinkId(link), LATER) != MAKE["token"](LINKS)


def test_a_token_is_made_anew_whenever_it_is_shown() -> None:
    assert MAKE["token"](LINKS) == MAKE["token"](Links(b"s" * 32))


def test_tickets_differ() -> None:
    assert len({MAKE["ticket"](LINKS) for _ in range(100)}) == 100


def test_a_refusal_names_nothing_that_was_sent() -> None:
    with pytest.raises(NotAuthenticated) as raised:
        LINKS.read_token("join.vis-secret.sea-secret.x", NOW)
    assert str(raised.value) == "this link is not valid"


def test_a_short_secret_is_misuse() -> None:
    with pytest.raises(ValueError, match="shorter than 32"):
        Links(b"s" * 31)
