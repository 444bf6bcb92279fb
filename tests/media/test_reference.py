"""What is the reference engine's own; what both engines do is in test_engine.py."""

import asyncio
import socket
import sys

import pytest

from media.engine import Engine
from media.reference import ReferenceEngine


async def test_it_is_an_engine() -> None:
    the: Engine = ReferenceEngine()
    assert the.name == "reference"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's timestamps are read on Linux only")
async def test_a_busy_loop_does_not_make_packets_late(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ReferenceEngine()
    await engine.open()
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
    await engine.close()
