"""Argon2id with parameters made small, except where they are the point."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from medinova_rt.adapters import argon2_hashing
from medinova_rt.adapters.argon2_hashing import THREADS, Argon2Hashing
from medinova_rt.errors import Unavailable


@pytest.fixture
async def hashing() -> AsyncIterator[Argon2Hashing]:
    made = Argon2Hashing(memory_kib=8, passes=1, max_waiting=3, wait_s=0.05)
    await made.open()
    yield made
    await made.close()


@pytest.mark.parametrize(("said", "holds"), [("five green cats", True), ("five green cat", False), ("", False)])
async def test_what_holds(hashing: Argon2Hashing, said: str, holds: bool) -> None:
    assert await hashing.verify(await hashing.make("five green cats"), said) is holds


async def test_nobody_has_a_password_and_it_is_hashed_all_the_same(hashing: Argon2Hashing) -> None:
    before = hashing.counters()["hashed"]
    assert not await hashing.verify(None, "five green cats")
    assert hashing.counters()["hashed"] == before + 1


@pytest.mark.parametrize("damaged", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$AAAA", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_a_damaged_hash_is_nobodys(hashing: Argon2Hashing, damaged: str) -> None:
    assert not await hashing.verify(damaged, "five green cats")


async def test_the_parameters_are_those_stated() -> None:
    hashing = Argon2Hashing()
    await hashing.open()
    assert (await hashing.make("five green cats")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await hashing.close()


async def test_other_parameters_are_outdated(hashing: Argon2Hashing) -> None:
    known = await hashing.make("five green cats")
    other = Argon2Hashing(memory_kib=16, passes=1)
    await other.open()
    assert not hashing.is_outdated(known)
    assert other.is_outdated(known)
    assert await other.verify(known, "five green cats")
    await other.close()


async def test_at_the_bound_one_waits_as_long_as_stated_and_beyond_it_not_at_all(
    hashing: Argon2Hashing, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, done = threading.Event(), []

    def slow(known: str, password: str) -> bool:
        held.wait(10)
        done.append(threading.current_thread().name)
        return True

    monkeypatch.setattr(hashing, "_verify", slow)
    at_work = [asyncio.create_task(hashing.verify("x", "y")) for _ in range(THREADS)]
    in_line: list[asyncio.Task[Any]] = [asyncio.create_task(hashing.verify("x", "y")) for _ in range(3)]
    await asyncio.sleep(0)
    assert hashing.counters()["waiting"] == 3
    with pytest.raises(Unavailable):
        await hashing.verify("x", "y")
    assert [type(each) for each in await asyncio.gather(*in_line, return_exceptions=True)] == [Unavailable] * 3
    at_work[0].cancel()  # whoever asked has gone; the thread has not
    await asyncio.gather(at_work[0], return_exceptions=True)
    with pytest.raises(Unavailable):
        await hashing.verify("x", "y")
    held.set()
    assert await at_work[1]
    assert await hashing.verify("x", "y")
    assert all(name.startswith("argon2") for name in done)
    assert hashing.counters() == {"hashed": 3, "refused": 5, "waiting": 0}  # one of them the hash of nobody


def test_the_bounds_are_those_stated() -> None:
    assert (argon2_hashing.THREADS, argon2_hashing.MAX_WAITING, argon2_hashing.WAIT_S) == (2, 500, 5.0)
