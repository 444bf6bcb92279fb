from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from msgspec import Struct

from api import paging


class Page(Struct):
    items: list[str]
    next_cursor: str | None


def reply(method: str, path: str, cursor: str | None) -> Any:
    call: Any = SimpleNamespace(request=make_mocked_request(method, path))
    return paging.reply(call, Page([], cursor), cursor)


@pytest.mark.parametrize(
    ("method", "path", "cursor", "link"),
    [
        ("GET", "/v1/things", None, None),
        ("GET", "/v1/things", "a+/b=", '</v1/things?cursor=a%2B%2Fb%3D>; rel="next"'),
        ("GET", "/v1/things?limit=2&cursor=x", "y", '</v1/things?limit=2&cursor=y>; rel="next"'),
        ("POST", "/v1/things/search", "y", None),  # what was searched for stands in no address
    ],
)
def test_a_page_links_the_next(method: str, path: str, cursor: str | None, link: str | None) -> None:
    answer = reply(method, path, cursor)
    assert (answer.headers.get("Link"), answer.content.next_cursor) == (link, cursor)
