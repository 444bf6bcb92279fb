"""Versions as HTTP says them: a strong `ETag` on what is read, `If-None-Match` to read again, `If-Match` to change.

A tag is `"<version>-<digest of the content>"`. The digest makes it strong, since what is shown may hold more than the
one document whose version it is; the version is what a change is compared with, so that nobody overwrites what they
have not seen. Compared is the version alone: the rest cannot be lost by the change.
"""

import hashlib
import re

from aiohttp import hdrs, web

from api import problems
from medinova_rt.errors import Changed

_TAGS = re.compile(r'\s*(?:(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*|$))+')
_TAG = re.compile(r'((?:W/)?)"([\x21\x23-\x7e\x80-\xff]*)"')
_OURS = re.compile(r"([1-9][0-9]{0,17})-[0-9a-f]{16}")


def tag(version: int | None, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()[:16]
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def expected(request: web.Request, version: int | None) -> int | None:
    """Return the version that the caller has seen, or None for `*`: whichever there is.

    `version` is the thing's present one, as far as it is known already. Raises PreconditionRequired without `If-Match`,
    Changed where it names other versions.
    """
    said = ", ".join(request.headers.getall(hdrs.IF_MATCH, []))
    if not said.strip():
        raise problems.PreconditionRequired("Say in If-Match which version you have seen, by its ETag.")
    if said.strip() == "*":
        return None
    seen = [int(ours[1]) for ours in (_OURS.fullmatch(text) for weak, text in _tags(said) if not weak) if ours]
    if not seen or (version is not None and version not in seen):
        raise Changed("It is not what you have seen any more; read it again.")
    return seen[0] if version is None else version


def not_modified(request: web.Request, response: web.Response) -> web.Response:
    """Return 304 without content where the caller has what `response` says, else the response (RFC 9110 §13.1.2)."""
    said = ", ".join(request.headers.getall(hdrs.IF_NONE_MATCH, []))
    etag = response.headers.get(hdrs.ETAG)
    if not said or etag is None or response.status != 200:
        return response
    if said.strip() != "*" and etag.strip('"') not in [text for _, text in _tags(said)]:
        return response
    kept = {name: value for name, value in response.headers.items() if name in (hdrs.ETAG, hdrs.LINK)}
    return web.Response(status=304, headers=kept)


def _tags(said: str) -> list[tuple[str, str]]:
    """Each tag of a list, and before it whether it is weak; none of a list that is malformed."""
    return _TAG.findall(said) if _TAGS.fullmatch(said) else []
