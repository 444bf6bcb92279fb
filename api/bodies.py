"""What a request brings along, read and decoded: its body, its query, and which answers it can take.

Everything is bounded before it is looked at: the body by its size, its nesting by the decoder, the query by aiohttp's
bound on a line. A member or parameter that is not in the Struct is refused, so that nothing is assigned by accident.
"""

import asyncio
import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import hdrs, web
from msgspec import Struct

from api import problems
from medinova_rt.errors import BadInput

MAX_BODY_BYTES = 64 * 1024
READ_S = 8.0  # of the time limit of a request, for its body to come in

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
FORM = "application/x-www-form-urlencoded"

_RANGE = re.compile(r"\s*([\w!#$&^.+*-]+/[\w!#$&^.+*-]+)\s*((?:;[^,]*)?)")
_QUALITY = re.compile(r";\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)


async def read(request: web.Request) -> bytes:
    """Return the whole body; raises TooLarge, also for what only claims to be too long, and TooSlow."""
    if not request.can_read_body:
        return b""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise problems.TooLarge("The body is larger than allowed here.")
    try:
        async with asyncio.timeout(READ_S):
            return await request.read()  # which is bounded by the application's `client_max_size`
    except TimeoutError:
        raise problems.TooSlow("The body took too long to come in.") from None


def check_accepts(request: web.Request, produces: str) -> None:
    """Raise NotAcceptable where the caller says that it cannot take what the route answers with (RFC 9110 §12.5.1)."""
    accept = ",".join(request.headers.getall(hdrs.ACCEPT, []))
    if not accept.strip():
        return
    kind = produces.partition("/")[0]
    best: tuple[int, float] = (-1, 0.0)
    for media, parameters in _RANGE.findall(accept):
        precision = {produces: 2, f"{kind}/*": 1, "*/*": 0}.get(media.lower(), -1)
        quality = _QUALITY.search(parameters)
        best = max(best, (precision, float(quality[1]) if quality else 1.0)) if precision >= 0 else best
    if best[1] == 0:
        raise problems.NotAcceptable(f"The answer here is {produces}.")


def decode(request: web.Request, data: bytes, kind: type[Struct], media_type: str) -> Struct:
    """Return the body as the Struct; raises WrongMediaType, BadInput."""
    if request.content_type != media_type or hdrs.CONTENT_TYPE not in request.headers:
        raise problems.WrongMediaType(f"Send {media_type}.", media_type)
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise problems.WrongMediaType("Send text in UTF-8.", media_type)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise problems.WrongMediaType("Send the body uncompressed.", media_type)
    if media_type == FORM:
        return _convert(_form(data), kind, "")
    try:
        return _decoded(data, kind)
    except msgspec.ValidationError as fault:
        members = [field.encode_name for field in msgspec.structs.fields(kind)]
        raise problems.from_schema(fault, members=members) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise BadInput("The body is not JSON.") from None


def decode_query(request: web.Request, kind: type[Struct] | None) -> Struct | None:
    """Return the query as the Struct; without one there is nothing to say in a query. Raises BadInput."""
    query = request.query
    if kind is None:
        if query:
            raise BadInput("Nothing is known here of what is in the query.")
        return None
    return _convert(_once(list(query.items())), kind, "query ")


def _decoded(data: bytes, kind: type[Struct]) -> Struct:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as fault:
        if "got `float`" not in str(fault):
            raise
    return msgspec.convert(_whole(msgspec.json.decode(data)), kind)


def _whole(said: Any) -> Any:
    """JSON has one kind of number, and to JSON Schema 16.0 is an integer."""
    match said:
        case float() if said.is_integer():
            return int(said)
        case list():
            return [_whole(each) for each in said]
        case dict():
            return {name: _whole(each) for name, each in said.items()}
        case _:
            return said


def _form(data: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise BadInput("The body is not a form.") from None
    return _once(pairs)


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    said = dict(pairs)
    if len(said) != len(pairs):
        raise BadInput("A parameter is said twice.")
    return said


def _convert(said: dict[str, str], kind: type[Struct], where: str) -> Struct:
    try:
        return msgspec.convert(said, kind, strict=False)
    except msgspec.ValidationError as fault:
        raise problems.from_schema(fault, where) from None
