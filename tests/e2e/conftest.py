"""The running server, the real browsers, and the people in front of them.

Browsers live as long as the run, so these tests and their fixtures share one event loop.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.browsers import Browsers, Kind
from tests.e2e.door import Door, Meet, Visitor
from tests.e2e.people import People
from tests.e2e.server import Server
from tests.firestore import Emulator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session", autouse=True)
def store(request: pytest.FixtureRequest) -> None:
    """`--store firestore`: every server has a database of the emulator instead of a file."""
    if request.config.getoption("--store") == "firestore":
        emulator: Emulator = request.getfixturevalue("emulator")
        Server.store = staticmethod(lambda: f"firestore://{emulator.project()}/(default)")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browsers() -> AsyncIterator[Browsers]:
    browsers = Browsers()
    yield browsers
    await browsers.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def server(shared_server: Server) -> AsyncIterator[Server]:
    """The server that most tests share; a test that makes it complain fails."""
    before = len(shared_server.complaints())
    yield shared_server
    assert shared_server.complaints()[before:] == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """A server with the demo clinic, which makes itself heard by nothing that its tests do."""
    door = Door(tmp_path_factory.mktemp("door"))
    await door.start()
    yield door
    await door.stop()
    assert door.complaints() == []


@pytest_asyncio.fixture(loop_scope="session")
async def people(browsers: Browsers) -> AsyncIterator[People]:
    people = People(browsers)
    yield people
    await people.leave()


@pytest_asyncio.fixture(loop_scope="session")
async def meet(door: Door, browsers: Browsers) -> AsyncIterator[Meet]:
    """Seat somebody before a fresh browser; their pages break no security policy and let no exception escape."""
    people, met = People(browsers), list[Visitor]()

    async def seat(kind: Kind = "chromium", width: int = 1280, height: int = 800) -> Visitor:
        met.append(Visitor(door, await people.sit_down("visitor", kind, width=width, height=height)))
        return met[-1]

    yield seat
    broken = [each for visitor in met for each in await visitor.violations()]
    await people.leave()
    assert broken == []
