"""The key server as it may be: rotating, slow, down, flapping, lying; and how often it is asked."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from medinova_rt.adapters.google_keys import LIFE, LONGEST, REFETCH, RETRY, SHORTEST, STALE, GoogleKeys, life
from medinova_rt.errors import Unavailable
from tests.google import MAX_AGE, KeyServer, jwk, key_server, private

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
UNTIL = NOW + timedelta(seconds=MAX_AGE)
second = timedelta(seconds=1)


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with key_server() as made:
        yield made


@pytest.fixture
async def keys(server: KeyServer) -> AsyncIterator[GoogleKeys]:
    made = GoogleKeys(server.url, time_limit_s=0.5)
    await made.open()
    yield made
    await made.close()


async def settled(keys: GoogleKeys) -> None:
    """Until no fetch is under way."""
    if keys._fetch is not None:
        await asyncio.wait([keys._fetch])


async def test_a_key_is_the_one_that_signs(keys: GoogleKeys) -> None:
    found = await keys.key("monday", NOW)
    assert found is not None
    assert found.public_numbers() == private("monday").public_key().public_numbers()


async def test_a_thousand_at_once_cause_one_fetch(keys: GoogleKeys, server: KeyServer) -> None:
    server.gate.clear()
    asking = [asyncio.create_task(keys.key("monday", NOW)) for _ in range(1000)]
    await asyncio.sleep(0)
    asking[0].cancel()  # whoever gives up takes nobody along
    server.gate.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert (server.asked, sum(each is not None for each in found[1:])) == (1, 999)


async def test_it_is_asked_again_when_its_answer_is_old_and_not_before(keys: GoogleKeys, server: KeyServer) -> None:
    for at in (NOW, NOW + second, UNTIL - second):
        await keys.key("monday", at)
    assert server.asked == 1
    assert await keys.key("monday", UNTIL) is not None  # by the old answer, beside which the new one comes
    await settled(keys)
    assert server.asked == 2


async def test_a_flood_of_keys_that_there_are_not(keys: GoogleKeys, server: KeyServer) -> None:
    for n in range(3000):
        assert await keys.key(f"forged-{n}", NOW + n * second / 10) is None
    assert server.asked == 300 // REFETCH.total_seconds()
    assert await keys.key("monday", NOW + 300 * second) is not None


async def test_rotation_with_overlap(keys: GoogleKeys, server: KeyServer) -> None:
    await keys.key("monday", NOW)
    server.keys = [jwk("tuesday"), jwk("wednesday")]
    at = NOW + REFETCH
    assert await keys.key("wednesday", at) is not None, "a new key is found by asking for it"
    assert await keys.key("tuesday", at) is not None
    assert await keys.key("monday", at) is None, "what was taken away counts no longer"


async def test_it_is_down_from_the_start(keys: GoogleKeys, server: KeyServer) -> None:
    server.status = 503
    for n in range(100):
        with pytest.raises(Unavailable):
            await keys.key("monday", NOW + n * second / 10)
    assert server.asked == 10 / RETRY.total_seconds()
    server.status = 200
    assert await keys.key("monday", NOW + 10 * second) is not None


async def test_while_it_is_down_old_keys_hold_for_a_time(keys: GoogleKeys, server: KeyServer) -> None:
    await keys.key("monday", NOW)
    server.status = 500
    for at in (UNTIL, UNTIL + RETRY, UNTIL + STALE - second):
        assert await keys.key("monday", at) is not None
        await settled(keys)
    assert server.asked == 4
    with pytest.raises(Unavailable):
        await keys.key("thursday", UNTIL + STALE - second + RETRY)
    with pytest.raises(Unavailable):
        await keys.key("monday", UNTIL + STALE)


async def test_a_slow_server_delays_only_who_needs_it(keys: GoogleKeys, server: KeyServer) -> None:
    await keys.key("monday", NOW)
    server.gate.clear()
    assert await asyncio.wait_for(keys.key("monday", UNTIL), 0.3) is not None
    with pytest.raises(Unavailable):  # it never answers, and waiting for it has an end
        await keys.key("wednesday", UNTIL)
    assert await keys.key("monday", UNTIL + second) is not None
    assert server.asked == 2


async def test_flapping(keys: GoogleKeys, server: KeyServer) -> None:
    await keys.key("monday", NOW)
    at = UNTIL
    for n in range(20):
        server.status = 500 if n % 2 else 200
        assert await keys.key("monday", at) is not None
        await settled(keys)
        at += timedelta(seconds=MAX_AGE)
    assert server.asked == 21


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [{"kty": "RSA", "kid": "monday"}]}',
        b'{"keys": [{"kty": "RSA", "kid": "monday", "n": "!", "e": 3}]}',
        msgspec.json.encode({"keys": [{**jwk("monday"), "alg": "HS256"}]}),
        msgspec.json.encode({"keys": [{**jwk("monday"), "use": "enc"}]}),
        msgspec.json.encode({"keys": [{**jwk("monday"), "kid": 7}]}),
        msgspec.json.encode({"keys": [jwk("weak", 1024)]}),
        b" " * 70_000 + msgspec.json.encode({"keys": [jwk("monday")]}),
    ],
)
async def test_answers_that_are_none_take_nothing_away(keys: GoogleKeys, server: KeyServer, body: bytes) -> None:
    server.body = body
    with pytest.raises(Unavailable):
        await keys.key("monday", NOW)
    server.body = None
    assert await keys.key("monday", NOW + RETRY) is not None
    server.body = body
    with pytest.raises(Unavailable):  # there might be such a key
        await keys.key("wednesday", NOW + RETRY + REFETCH)
    assert await keys.key("monday", NOW + RETRY + REFETCH) is not None


async def test_a_redirect_is_not_followed(keys: GoogleKeys, server: KeyServer) -> None:
    server.status, server.headers = 302, {"Location": server.url}
    with pytest.raises(Unavailable):
        await keys.key("monday", NOW)
    assert server.asked == 1


@pytest.mark.parametrize(
    ("cache_control", "age", "holds"),
    [
        (["public, max-age=22000, must-revalidate"], None, timedelta(seconds=22_000)),
        (["public", "max-age=7200"], "600", timedelta(seconds=6_600)),
        ([], None, LIFE),
        (["no-cache"], None, LIFE),
        (["max-age=0"], None, SHORTEST),
        (["max-age=60"], "999", SHORTEST),
        (["max-age=999999999"], None, LONGEST),
        (["max-age=-1"], None, LIFE),
        (["s-maxage=5"], None, LIFE),
        (["max-age=7200"], "²", timedelta(seconds=7_200)),
    ],
)
def test_how_long_an_answer_holds(cache_control: list[str], age: str | None, holds: timedelta) -> None:
    assert life(cache_control, age) == holds


async def test_closing_ends_a_fetch(server: KeyServer) -> None:
    keys = GoogleKeys(server.url)
    await keys.open()
    server.gate.clear()
    asking = asyncio.create_task(keys.key("monday", NOW))
    while not server.asked:
        await asyncio.sleep(0.01)
    await keys.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
