from typing import Annotated, Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from msgspec import Meta, Struct

from api import bodies, problems
from api.bodies import FORM, JSON, MERGE_PATCH
from medinova_rt.errors import BadInput
from tests.api.conftest import SEATS, Door


class Query(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=9)] = 5
    cursor: str | None = None


class Patch(Struct, forbid_unknown_fields=True):
    name: str | msgspec.UnsetType = msgspec.UNSET
    phone: str | msgspec.UnsetType | None = msgspec.UNSET


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (None, True),
        ("", True),
        ("*/*", True),
        ("application/json", True),
        ("application/*;q=0.1", True),
        ("text/html, application/xhtml+xml, */*;q=0.8", True),
        ("APPLICATION/JSON", True),
        ("application/json;q=0", False),
        ("application/json;q=0, */*", False),
        ("application/*;q=0, application/json", True),
        ("text/html", False),
        ("application/fhir+json", False),
        ("nonsense", False),
        ("*/*;q=0.000", False),
    ],
)
def test_which_answers_can_be_taken(accept: str | None, taken: bool) -> None:
    request = make_mocked_request("GET", "/", headers={} if accept is None else {"Accept": accept})
    if taken:
        bodies.check_accepts(request, JSON)
    else:
        with pytest.raises(problems.NotAcceptable):
            bodies.check_accepts(request, JSON)


def decoded(data: bytes, media_type: str, kind: type[Struct], sent_as: str | None = None, **more: str) -> Any:
    request = make_mocked_request("POST", "/", headers={"Content-Type": sent_as or media_type, **more})
    return bodies.decode(request, data, kind, media_type)


@pytest.mark.parametrize(
    ("sent_as", "more"),
    [
        ("text/plain", {}),
        ("application/json", {}),
        (f"{MERGE_PATCH}; charset=latin-1", {}),
        (MERGE_PATCH, {"Content-Encoding": "gzip"}),
    ],
)
def test_what_else_is_sent_is_told_what_to_send(sent_as: str, more: dict[str, str]) -> None:
    with pytest.raises(problems.WrongMediaType) as refused:
        decoded(b"{}", MERGE_PATCH, Patch, sent_as, **more)
    answer = problems.answer(refused.value, public_url="http://localhost", request_id="r")
    assert answer.headers["Accept"] == MERGE_PATCH


@pytest.mark.parametrize(
    ("data", "patch"),
    [
        (b"{}", Patch()),
        (b'{"phone": null}', Patch(phone=None)),
        (b'{"name": "Ben"}', Patch(name="Ben")),
        (b'{"name": null}', None),
        (b'{"role": "administrator"}', None),
        (b"[]", None),
        (b'{"name": "\\ud800"}', None),
        (b"[" * 60_000, None),
        (b'{"name":' * 8_000, None),
        (b'{"name": 1e999999}', None),
    ],
)
def test_a_merge_patch_tells_absent_from_null(data: bytes, patch: Patch | None) -> None:
    if patch is None:
        with pytest.raises(BadInput):
            decoded(data, MERGE_PATCH, Patch, f"{MERGE_PATCH}; charset=UTF-8")
    else:
        assert decoded(data, MERGE_PATCH, Patch) == patch


@pytest.mark.parametrize(
    ("data", "query"),
    [
        (b"limit=3&cursor=a%2Bb", Query(3, "a+b")),
        (b"", Query()),
        (b"limit=3&limit=4", None),
        (b"limit=%zz", None),
        (b"limit", None),
        (b"\xff=1", None),
        (b"offset=1", None),
        (b"cursor=%ff", None),
    ],
)
def test_a_form_says_each_parameter_once(data: bytes, query: Query | None) -> None:
    if query is None:
        with pytest.raises(BadInput):
            decoded(data, FORM, Query)
    else:
        assert decoded(data, FORM, Query) == query


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query()),
        ("?limit=9", Query(9)),
        ("?limit=9&cursor=x", Query(9, "x")),
        ("?limit=10", None),
        ("?limit=two", None),
        ("?limit=1&limit=1", None),
        ("?offset=1", None),
    ],
)
def test_a_query_is_as_strict(text: str, query: Query | None) -> None:
    request = make_mocked_request("GET", f"/{text}")
    if query is None:
        with pytest.raises(BadInput):
            bodies.decode_query(request, Query)
    else:
        assert bodies.decode_query(request, Query) == query


@pytest.mark.parametrize(
    ("data", "limit"), [(b"7", 7), (b"7.0", 7), (b"7e0", 7), (b"7.5", None), (b"1e300", None), (b'"7"', None)]
)
def test_a_whole_number_is_an_integer_however_it_is_written(data: bytes, limit: int | None) -> None:
    if limit is None:
        with pytest.raises(BadInput):
            decoded(b'{"limit": ' + data + b"}", JSON, Query)
    else:
        assert decoded(b'{"limit": ' + data + b"}", JSON, Query) == Query(limit)


async def test_where_no_query_is_known_none_is_taken(door: Door) -> None:
    visit = await door.visit()
    refused = await door.ask("GET", f"/v1/visits/{visit['id']}?admin=true")
    assert refused.problem == (400, "bad-input")
    assert (await door.ask("GET", "/join?utm_source=mail", key=None)).status == 200  # people's links are decorated


async def test_what_only_claims_to_be_long_is_refused_at_once(door: Door) -> None:
    headers = {"Content-Length": str(1 << 40), "Content-Type": JSON}
    request = door.session.request("POST", f"{door.url}/v1/visits", headers=headers, data=b"{", read_bufsize=1)
    async with request as answer:
        assert answer.status == 413


async def test_a_body_that_trickles_is_given_up(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(bodies, "READ_S", 0.05)

    async def trickle() -> Any:
        yield b'{"seats":'
        await asyncio.sleep(0.3)

    answer = await door.ask("POST", "/v1/visits", data=trickle(), headers={"Content-Type": JSON})
    assert answer.problem == (408, "too-slow")


@pytest.mark.parametrize("path", ["/v1/visits/{visit}/end", "/v1/visits/{visit}/seats/{seat}/links"])
async def test_where_no_body_is_known_none_is_looked_at(door: Door, path: str) -> None:
    visit = await door.visit(SEATS)
    at = path.format(visit=visit["id"], seat=visit["seats"][0]["id"])
    assert (await door.ask("POST", at, data=b"\xff", headers={"Content-Type": "text/plain"})).status in (200, 201)
