"""The door, by keyboard alone: signing in by every way, an invitation, one's profile, people, patients, who saw a record.

The order of the tests is that of a clinic's first days; each stands on the demo clinic, and on nothing that another did.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from tests.e2e.browsers import Kind
from tests.e2e.door import Visitor
from tests.e2e.people import People
from tests.e2e.server import Server

Meet = Callable[..., Awaitable[Visitor]]

PASSWORD = "six grey herons by the weir"


@pytest_asyncio.fixture(loop_scope="session")
async def meet(server: Server, people: People) -> AsyncIterator[Meet]:
    """Seat somebody before a fresh browser; none of their pages may break its security policy."""
    met: list[Visitor] = []

    async def seat(kind: Kind = "chromium", width: int = 1280, height: int = 800) -> Visitor:
        met.append(Visitor(server, await people.sit_down("visitor", kind, width=width, height=height)))
        return met[-1]

    yield seat
    for each in met:
        assert await each.violations() == []


# --- signing in ---------------------------------------------------------------------------------------------------


async def test_a_password(meet: Meet) -> None:
    visitor = await meet()
    await visitor.begin(DESK)
    await visitor.type("Password", "not this one at all")
    await visitor.page.press("Enter")
    await visitor.sees("E-mail or password is not right.")
    await visitor.type("Password", PASSWORDS[DESK])
    await visitor.page.press("Enter")
    await visitor.sees("Hello, ", "Demo Clinic · Front desk")
    await visitor.press("Sign out")
    await visitor.sees("Your clinic’s video visits")
    await visitor.open("/patients")
    await visitor.sees("Sign in", "With the e-mail address")
