import msgspec
import pytest
from aiohttp import web

from api import problems
from medinova_rt import errors
from medinova_rt.errors import DomainError


def every_error(kind: type[DomainError] = DomainError) -> list[type[DomainError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in every_error(child))]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_of_the_tree_has_its_own_row(kind: type[DomainError]) -> None:
    assert kind in problems.TABLE


def test_codes_tell_errors_apart() -> None:
    assert len({kind.code for kind in problems.TABLE}) == len(problems.TABLE)


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (errors.TooFast("x", 0.2), {"Retry-After": "1"}),
        (errors.TooFast("x", 1.2), {"Retry-After": "2"}),
        (errors.Unavailable("x"), {"Retry-After": "2"}),
        (errors.Unavailable("x", permanent=True), {}),
        (errors.Conflict("x"), {}),
    ],
)
def test_when_to_come_back(error: DomainError, headers: dict[str, str]) -> None:
    answer = problems.answer(error, public_url="http://localhost", request_id="r")
    assert {name: answer.headers[name] for name in ("Retry-After",) if name in answer.headers} == headers


def test_likely_duplicates_are_listed_by_id() -> None:
    error = errors.LikelyDuplicates("x", ["pat-1", "pat-2"])
    answer = problems.answer(error, public_url="http://localhost", request_id="r")
    assert isinstance(answer.body, bytes)
    assert msgspec.json.decode(answer.body)["candidates"] == ["pat-1", "pat-2"]


@pytest.mark.parametrize(
    ("fault", "pointer"),
    [
        ("Expected `str`, got `int` - at `$.seats[3].name`", "/seats/3/name"),
        ("Expected `array` of length >= 1 - at `$.seats`", "/seats"),
        ("Object missing required field `seats`", ""),
        ("Object contains unknown field `Ben`", ""),
        ("Invalid enum value 'Ben' - at `$.seats[0].role`", "/seats/0/role"),
        ("Expected `str` matching regex '[.]$' - at `$.a`", "/a"),
    ],
)
def test_where_a_body_is_at_fault(fault: str, pointer: str) -> None:
    error = problems.from_schema(msgspec.ValidationError(fault))
    assert error.pointer == pointer
    assert "Ben" not in str(error)


def test_who_sends_an_unknown_member_is_told_those_that_there_are() -> None:
    fault = msgspec.ValidationError("Object contains unknown field `Ben`")
    error = problems.from_schema(fault, members=["name", "jwks"])
    assert str(error) == "A member is not known here. Known are: name, jwks."


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (web.HTTPNotFound(), "not-found"),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), "wrong-method"),
        (web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2), "too-large"),
        (web.HTTPForbidden(), "forbidden"),
        (web.HTTPBadRequest(), "bad-input"),
        (web.HTTPServiceUnavailable(), "unavailable"),
        (web.HTTPInternalServerError(), "internal"),
    ],
)
def test_what_aiohttp_refuses(refusal: web.HTTPException, code: str) -> None:
    assert problems.from_http(refusal).code == code
