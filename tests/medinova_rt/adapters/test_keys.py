"""The contract of the Keys port, over both adapters, and what each has of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from medinova_rt.adapters.kms_keys import ATTEMPTS, KmsKeys
from medinova_rt.adapters.local_keys import KEPT, LocalKeys
from medinova_rt.errors import KeyLost, Unavailable
from medinova_rt.ports import Wrapped
from tests.fakes.kms import NAME, FakeKms

KEY, CONTEXT = b"k" * 32, b'["cli-1","pat-1","care"]'


@pytest.fixture
async def kms() -> AsyncIterator[FakeKms]:
    fake = FakeKms()
    fake.port = await fake.start()  # type: ignore[attr-defined]
    yield fake
    await fake.stop()


def at(fake: FakeKms, **rest: Any) -> KmsKeys:
    return KmsKeys(NAME, channel=lambda: grpc.aio.insecure_channel(f"127.0.0.1:{fake.port}"), **rest)  # type: ignore[attr-defined]


@pytest.fixture
async def remote(kms: FakeKms) -> AsyncIterator[KmsKeys]:
    opened = at(kms)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kek.json"


@pytest.fixture
async def local(file: Path) -> LocalKeys:
    opened = LocalKeys(file)
    await opened.open()
    return opened


@pytest.fixture(params=["local", "remote"])
def keys(request: pytest.FixtureRequest) -> LocalKeys | KmsKeys:
    opened: LocalKeys | KmsKeys = request.getfixturevalue(request.param)
    return opened


Either = LocalKeys | KmsKeys


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def chmod(file: Path, to: int) -> None:
    file.chmod(to)


def write(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o600)


def text(file: Path) -> str:
    return file.read_text()


async def test_what_was_wrapped_is_unwrapped(keys: Either) -> None:
    wrapped = await keys.wrap(KEY, CONTEXT)
    assert KEY not in wrapped.data
    assert wrapped.version == await keys.newest()
    assert await keys.unwrap(wrapped, CONTEXT) == KEY


async def test_never_twice_to_the_same(keys: Either) -> None:
    assert (await keys.wrap(KEY, CONTEXT)).data != (await keys.wrap(KEY, CONTEXT)).data


@pytest.mark.parametrize("other", [b"", b'["cli-1","pat-2","care"]', CONTEXT + b" "])
async def test_another_context_does_not_unwrap(keys: Either, other: bytes) -> None:
    wrapped = await keys.wrap(KEY, CONTEXT)
    with pytest.raises(KeyLost):
        await keys.unwrap(wrapped, other)


async def test_nothing_altered_unwraps(keys: Either) -> None:
    wrapped = await keys.wrap(KEY, CONTEXT)
    for bad in (b"", wrapped.data[:-1], wrapped.data[:-1] + bytes([wrapped.data[-1] ^ 1]), b"x" * 80):
        with pytest.raises(KeyLost):
            await keys.unwrap(Wrapped(wrapped.version, bad), CONTEXT)


async def test_those_before_go_on_unwrapping(keys: Either) -> None:
    wrapped = [await keys.wrap(KEY, CONTEXT)]
    for _ in range(3):
        version = await keys.rotate()
        assert version == await keys.newest()
        wrapped.append(await keys.wrap(KEY, CONTEXT))
    assert len({each.version for each in wrapped}) == 4
    assert [await keys.unwrap(each, CONTEXT) for each in wrapped] == [KEY] * 4


# --- a file -------------------------------------------------------------------------------------------------------


async def test_the_file_is_for_its_user_alone_and_stays(local: LocalKeys, file: Path) -> None:
    assert mode(file) == 0o600
    wrapped = await local.wrap(KEY, CONTEXT)
    again = LocalKeys(file)
    await again.open()
    assert await again.unwrap(wrapped, CONTEXT) == KEY
    await again.rotate()
    assert mode(file) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["kek.json"]


@pytest.mark.parametrize("to", [0o640, 0o604, 0o644, 0o660])
@pytest.mark.parametrize("by_link", [False, True])
async def test_a_file_that_others_can_read_is_refused(local: LocalKeys, file: Path, to: int, by_link: bool) -> None:
    chmod(file, to)
    named = file
    if by_link:
        named = file.with_name("link.json")
        named.symlink_to(file)
    with pytest.raises(Unavailable, match="can be read by others"):
        await LocalKeys(named).open()


@pytest.mark.parametrize("text", ["", "{}", "null", '{"format":2,"versions":[]}', "x" * 100_000])
async def test_a_file_that_holds_none_is_refused(file: Path, text: str) -> None:
    write(file, text)
    with pytest.raises(Unavailable, match="holds no key-encryption keys"):
        await LocalKeys(file).open()


async def test_a_version_that_another_process_made_is_read_when_it_is_asked_for(local: LocalKeys, file: Path) -> None:
    other = LocalKeys(file)
    await other.open()
    await other.rotate()
    wrapped = await other.wrap(KEY, CONTEXT)
    assert await local.unwrap(wrapped, CONTEXT) == KEY
    assert await local.newest() == wrapped.version


async def test_those_who_begin_at_once_have_the_same(file: Path) -> None:
    many = [LocalKeys(file) for _ in range(8)]
    await asyncio.gather(*(each.open() for each in many))
    assert await many[0].unwrap(await many[7].wrap(KEY, CONTEXT), CONTEXT) == KEY


async def test_those_who_rotate_at_once_make_a_version_each(local: LocalKeys, file: Path) -> None:
    others = [LocalKeys(file) for _ in range(3)]
    for each in others:
        await each.open()
    made = await asyncio.gather(*(each.rotate() for each in others))
    assert sorted(made) == ["2", "3", "4"]


async def test_the_oldest_goes_beyond_so_many(local: LocalKeys, file: Path) -> None:
    wrapped = await local.wrap(KEY, CONTEXT)
    for n in range(KEPT - 1):
        assert await local.going() is None, n
        await local.rotate()
    assert await local.going() == "1"
    assert await local.unwrap(wrapped, CONTEXT) == KEY
    await local.rotate()
    with pytest.raises(KeyLost):
        await local.unwrap(wrapped, CONTEXT)
    assert len(json.loads(text(file))["versions"]) == KEPT


# --- a service ----------------------------------------------------------------------------------------------------

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("fault", ["crc", "unchecked", UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
async def test_what_fails_in_passing_is_tried_again(kms: FakeKms, remote: KmsKeys, fault: Any) -> None:
    kms.faults = [fault, fault]
    wrapped = await remote.wrap(KEY, CONTEXT)
    if fault != "unchecked":
        kms.faults = [fault]
    assert await remote.unwrap(wrapped, CONTEXT) == KEY
    assert remote.counters()["retries"] == (2 if fault == "unchecked" else 3)


@pytest.mark.parametrize("fault", ["crc", UNAVAILABLE])
async def test_a_bounded_number_of_times(kms: FakeKms, remote: KmsKeys, fault: Any) -> None:
    wrapped = await remote.wrap(KEY, CONTEXT)
    kms.faults = [fault] * 20
    kms.calls.clear()
    with pytest.raises(Unavailable) as caught:
        await remote.unwrap(wrapped, CONTEXT)
    assert (caught.value.permanent, type(caught.value), kms.calls["Decrypt"]) == (False, Unavailable, ATTEMPTS)


async def test_a_slow_one_has_a_deadline(kms: FakeKms) -> None:
    keys = at(kms, call_s=0.05)
    await keys.open()
    kms.faults = ["slow"] * ATTEMPTS
    with pytest.raises(Unavailable):
        await keys.wrap(KEY, CONTEXT)
    await keys.close()


async def test_a_version_that_was_destroyed_is_a_lost_key(kms: FakeKms, remote: KmsKeys) -> None:
    wrapped = await remote.wrap(KEY, CONTEXT)
    await remote.rotate()
    kms.destroy(wrapped.version)
    with pytest.raises(KeyLost):
        await remote.unwrap(wrapped, CONTEXT)


@pytest.mark.parametrize("status", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED])
async def test_no_right_to_it_is_permanent(kms: FakeKms, remote: KmsKeys, status: grpc.StatusCode) -> None:
    kms.faults = [status]
    with pytest.raises(Unavailable) as caught:
        await remote.wrap(KEY, CONTEXT)
    assert caught.value.permanent


async def test_a_key_that_is_not_there_is_told_at_the_start(kms: FakeKms) -> None:
    keys = KmsKeys(f"{NAME}2", channel=lambda: grpc.aio.insecure_channel(f"127.0.0.1:{kms.port}"))  # type: ignore[attr-defined]
    with pytest.raises(Unavailable) as caught:
        await keys.open()
    assert caught.value.permanent
