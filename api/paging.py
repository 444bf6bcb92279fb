"""Long lists by pages: at most so many items, and an opaque cursor for what follows (RFC 8288)."""

from typing import Annotated
from urllib.parse import urlencode

from msgspec import Meta, Struct

from api.call import AnyCall, Reply

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_CURSOR = 1024

Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="At most so many items.")]
Cursor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_CURSOR,
        pattern="^[A-Za-z0-9_=-]+$",
        description="`next_cursor` of the page before.",
    ),
]


class Paging(Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


def reply(call: AnyCall, page: Struct, next_cursor: str | None) -> Reply:
    """Return the page (`{"items": […], "next_cursor": …}`) with a link to the one that follows.

    A list that is searched by POST has no such link: what was searched for stands in the body, never in an address.
    """
    if next_cursor is None or call.request.method not in ("GET", "HEAD"):
        return Reply(page)
    query = {**call.request.query, "cursor": next_cursor}
    return Reply(page, {"Link": f'<{call.request.path}?{urlencode(query)}>; rel="next"'})
