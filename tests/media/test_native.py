"""What is the native engine's own: its thread, its queues, their bounds; what both engines do is in test_engine.py."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.participant import make_keys
from media.engine import DownId, Engine, EngineBusy, Generation, IceCredentials, PathDown, PeerId, SrtpKeys
from tests.media import engines


def ice(number: int = 0) -> IceCredentials:
    return IceCredentials(f"s{number}", "password-of-the-server", f"c{number}")


@pytest.fixture
async def engine() -> AsyncIterator[Any]:
    engine = engines.native().NativeEngine()
    await engine.open()
    yield engine
    await engine.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


def threads() -> set[str]:
    return {(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}


async def test_it_is_an_engine(engine: Any) -> None:
    the: Engine = engine
    assert the.name == "native"


async def test_it_runs_on_one_thread_that_ends_with_close(engine: Any) -> None:
    before = threading.active_count()
    await until(lambda: engine.thread_id)
    assert (Path("/proc/self/task") / str(engine.thread_id) / "comm").read_text().strip() == "medinova-media"
    assert threading.active_count() == before
    await engine.close()
    assert "medinova-media" not in threads()


async def test_it_closes_while_busy(engine: Any) -> None:
    where = engine.listening()[0]
    stop = threading.Event()

    def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            while not stop.is_set():
                client.sendto(os.urandom(100), where)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        for number in range(200):
            engine.add_peer(ice(number))
        await until(lambda: engine.counters()["datagrams_in"] > 1000)
        async with asyncio.timeout(2):
            await engine.close()
    finally:
        stop.set()
        flooding.join()
    assert engine.listening() == []
    assert engine.counters()["datagrams_in"] > 1000


async def test_what_is_asked_of_a_closed_engine_is_let_go(engine: Any) -> None:
    peer = engine.add_peer(ice())
    await engine.close()
    await engine.close()
    for _ in range(20_000):  # more than may wait for an open one
        engine.gate(peer, True)
    engine.remove(peer)
    assert engine.events() == engine.tapped() == []


async def test_it_opens_twice_in_one_process() -> None:
    one, other = engines.native().NativeEngine(), engines.native().NativeEngine()
    await one.open()
    await other.open()
    assert one.listening() != other.listening()
    assert one.add_peer(ice()) == other.add_peer(ice()) == 1
    await until(lambda: one.counters()["peers"] == other.counters()["peers"] == 1)
    await one.close()
    await other.close()


async def test_at_the_bound_nobody_new_is_let_in_and_handshakes_wait() -> None:
    engine = engines.native().NativeEngine(crowded=0)  # as if the thread never came to it
    await engine.open()
    with pytest.raises(EngineBusy):
        engine.add_peer(ice())
    engine.send_dtls(PeerId(1), b"\x16")
    with pytest.raises(RuntimeError, match="hangs"):
        engine.gate(PeerId(1), True)
    counters = engine.counters()
    assert (counters["peers_refused"], counters["dtls_refused"], counters["commands_waiting"]) == (1, 1, 0)
    await engine.close()


async def test_who_is_sent_away_is_gone_however_much_waits() -> None:
    engine = engines.native().NativeEngine(crowded=3)
    await engine.open()
    peers = [engine.add_peer(ice(number)) for number in range(3)]

    def storm() -> None:
        for _ in range(1_000_000):
            engine.gate(peers[0], True)

    with pytest.raises(RuntimeError, match="hangs"):
        storm()  # until the thread is six behind
    for peer in peers:
        engine.remove(peer)
    await until(lambda: engine.counters()["commands_waiting"] == engine.counters()["peers"] == 0)
    await engine.close()


async def test_a_storm_of_commands_is_carried_out_whole(engine: Any) -> None:
    for number in range(2000):
        peer = engine.add_peer(ice(number))
        engine.gate(peer, True)
    await until(lambda: engine.counters()["peers"] == 2000)
    for peer in range(1, 2001):
        engine.remove(PeerId(peer))
    await until(lambda: engine.counters()["peers"] == 0)
    assert engine.counters()["commands_high_water"] > 0


async def test_an_engine_whose_thread_has_died_listens_no_more_and_says_that_no_path_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """That a panic ends as this is shown in native/src/tests.rs."""
    engine = engines.native().NativeEngine()
    told = [("PathUp", (1, 0)), ("PathUp", (2, 0)), ("PathUp", (1, 1)), ("PathUp", (3, 0)), ("PathDown", (3, 0))]
    told += [("PathUp", (2, 1))]  # late: it is of somebody removed
    numbers = iter((1, 2, 3))

    class Dying:
        death: str | None = None

        def failed(self) -> str | None:
            return self.death

        def events(self) -> list[Any]:
            return [told.pop(0)] if told else []

        def add_peer(self, ice: IceCredentials) -> int:
            return next(numbers)

        def remove(self, what: int) -> None:
            pass

    engine._opened = dying = Dying()
    for _ in range(3):
        engine.add_peer(ice())
    while told:
        engine.events()
        if len(told) == 1:
            engine.remove(PeerId(2))
    dying.death = "index out of bounds"
    assert engine.events() == [PathDown(PeerId(1), Generation(1))]
    assert engine.events() == engine.listening() == []
    with pytest.raises(EngineBusy):
        engine.add_peer(ice())
    assert [record.message for record in caplog.records] == ["the native engine has failed"]


def test_keys_of_another_size_are_refused_before_they_reach_the_engine() -> None:
    core = engines.native().NativeCore()
    peer = core.add_peer(ice())
    keys = make_keys("SRTP_AEAD_AES_128_GCM")
    for wrong in (
        SrtpKeys("SRTP_AEAD_AES_256_GCM", keys.up, keys.down),
        SrtpKeys("SRTP_AEAD_AES_128_GCM", keys.up, keys.down[1:]),
        SrtpKeys("SRTP_NULL", keys.up, keys.down),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="SRTP"):
            core.set_keys(peer, wrong)
    core.set_keys(peer, keys)
    with pytest.raises(KeyError):
        core.set_keys(PeerId(99), keys)


def test_a_mapping_of_any_kind_will_do() -> None:
    from types import MappingProxyType

    from bench.participant import slot_parameters

    core = engines.native().NativeCore()
    slot = slot_parameters("video", "v", 7, codecs=MappingProxyType(dict(slot_parameters("video", "v", 7).codecs)))
    assert core.add_down(core.add_peer(ice()), slot) == DownId(2)


@pytest.mark.parametrize("address", ["localhost", "fe80::1", "203.0.113.1", ""])
async def test_an_address_that_cannot_be_had(address: str) -> None:
    engine = engines.native().NativeEngine((address,))
    with pytest.raises((OSError, ValueError)):
        await engine.open()
    await engine.close()
    assert engine.listening() == []


async def test_a_thread_that_stands_still_listens_no_more(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.listening()
    stuck = engine.counters()  # nothing can stop the thread from outside: it is as if it had gone round no more
    await until(lambda: engine.counters()["turns"] > stuck["turns"])
    monkeypatch.setattr("media.native.STILL_S", 0.05)
    monkeypatch.setattr(type(engine), "_engine", type("Stuck", (), {"counters": lambda self: stuck})())
    engine.listening()
    await asyncio.sleep(0.1)
    assert engine.listening() == []
    monkeypatch.undo()
    assert engine.listening()
