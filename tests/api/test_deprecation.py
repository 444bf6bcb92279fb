from datetime import UTC, datetime

import pytest
from aiohttp import web

from api import deprecation

SINCE = datetime(2026, 11, 24, 10, tzinfo=UTC)
LINK = '</docs#deprecated>; rel="deprecation"; type="text/html"'


@pytest.mark.parametrize(
    ("deprecated", "sunset", "said"),
    [
        (None, None, {}),
        (SINCE, None, {"Deprecation": f"@{int(SINCE.timestamp())}", "Link": LINK}),
        (
            SINCE,
            datetime(2027, 11, 24, 10, tzinfo=UTC),
            {
                "Deprecation": f"@{int(SINCE.timestamp())}",
                "Link": LINK,
                "Sunset": "Wed, 24 Nov 2027 10:00:00 GMT",
            },
        ),
    ],
)
def test_what_will_go_says_so(deprecated: datetime | None, sunset: datetime | None, said: dict[str, str]) -> None:
    response = web.Response()
    deprecation.mark(response, deprecated, sunset)
    assert {name: response.headers[name] for name in said} == said
    assert ("Deprecation" in response.headers) is (deprecated is not None)


def test_another_link_stays() -> None:
    response = web.Response(headers={"Link": '</v1/things?cursor=x>; rel="next"'})
    deprecation.mark(response, SINCE, None)
    assert response.headers.getall("Link") == ['</v1/things?cursor=x>; rel="next"', LINK]
