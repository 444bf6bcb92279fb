"""The sockets and the clock around the core: real datagrams on loopback."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from media import stun
from media.engine import DtlsReceived, Engine, Event, IceCredentials, PathUp
from media.reference import ReferenceEngine

ICE = IceCredentials("server", "password-of-the-server", "client")


@pytest.fixture
async def engine() -> AsyncIterator[ReferenceEngine]:
    engine = ReferenceEngine(("127.0.0.1", "127.0.0.2", "::1"))
    await engine.open()
    yield engine
    await engine.close()


def check() -> bytes:
    return stun.binding_request(
        b"t" * 12, "server:client", ICE.local_password, priority=1, controlling=1, use_candidate=True
    )


async def test_it_is_an_engine(engine: ReferenceEngine) -> None:
    the: Engine = engine
    assert the.name == "reference"


async def test_one_port_on_every_address(engine: ReferenceEngine) -> None:
    assert [host for host, _ in engine.listening()] == ["127.0.0.1", "127.0.0.2", "::1"]
    assert len({port for _, port in engine.listening()}) == 1


async def test_a_port_taken_is_an_error(engine: ReferenceEngine) -> None:
    other = ReferenceEngine(("127.0.0.1",), engine.listening()[0][1])
    with pytest.raises(OSError, match="in use"):
        await other.open()
    await other.close()


@pytest.mark.parametrize("at", range(3))
async def test_checks_events_and_dtls_by_each_address(engine: ReferenceEngine, at: int) -> None:
    peer = engine.add_peer(ICE)
    events: list[Event] = []
    rung = asyncio.Event()

    def take() -> None:
        events.extend(engine.events())
        rung.set()

    engine.wake(take)
    local = engine.listening()[at]
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.bind((local[0], 0))
        client.connect(local)  # only replies from that very address come in
        await loop.sock_sendall(client, check())
        reply = stun.parse(await asyncio.wait_for(loop.sock_recv(client, 2000), 5))
        assert reply.mapped_address == client.getsockname()[:2]
        await asyncio.wait_for(rung.wait(), 5)
        assert events == [PathUp(peer, 0)]  # type: ignore[arg-type]
        rung.clear()
        await loop.sock_sendall(client, b"\x16hello")
        await asyncio.wait_for(rung.wait(), 5)
        assert events[1:] == [DtlsReceived(peer, b"\x16hello")]
        engine.send_dtls(peer, b"\x16hello yourself")
        assert await asyncio.wait_for(loop.sock_recv(client, 2000), 5) == b"\x16hello yourself"
    engine.remove(peer)
    assert engine.counters()["peers"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's timestamps are read on Linux only")
async def test_a_busy_loop_does_not_make_packets_late(engine: ReferenceEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(engine._core, "handle", lambda data, local, remote, now, arrived: waited.append(now - arrived))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", engine.listening()[0])
        busy_until = loop.time() + 0.05
        while loop.time() < busy_until:
            pass
    async with asyncio.timeout(5):
        while not waited:
            await asyncio.sleep(0)
    assert 0.045 < waited[0] < 1


async def test_closing_frees_the_port() -> None:
    engine = ReferenceEngine()
    await engine.open()
    where = engine.listening()[0]
    await engine.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(where)
