from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bench.callers import Callers

TOKENS = [f"token-{number}" for number in range(7)]


class Server:
    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.peers: set[tuple[str, int]] = set()
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        assert request.transport
        self.peers.add(request.transport.get_extra_info("peername"))
        self.asked[request.headers["Authorization"].removeprefix("Bearer "), request.path] += 1
        return web.Response(text="x" * 100, status=404 if request.path == "/lost" else 200)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server, app = Server(), web.Application()
    app.router.add_get("/{name}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


async def test_everybody_asks_in_turn_by_a_connection_and_an_address_of_their_own(server: Server) -> None:
    callers = Callers(TOKENS)
    assert await callers.ask(server.port, ["/a"], 21, at_once=4) == 0
    callers.close()
    assert server.asked == {(token, "/a"): 3 for token in TOKENS}
    assert len(server.peers) == len({address for address, _ in server.peers}) == len(TOKENS)


async def test_each_has_a_path_and_every_answer_that_is_not_200_is_counted(server: Server) -> None:
    callers = Callers(TOKENS[:2])
    assert await callers.ask(server.port, ["/a", "/lost"], 10, at_once=2) == 5
    callers.close()
    assert server.asked == {(TOKENS[0], "/a"): 5, (TOKENS[1], "/lost"): 5}
