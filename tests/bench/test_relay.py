"""What fake participants of a relay are told; `test_load.py` sends by it."""

import importlib
import os

import pytest

from bench.relay import RelaySubject
from bench.subject import addresses

try:
    importlib.import_module("media._engine")
except ImportError:
    if os.environ.get("CI"):
        raise
    pytest.skip("the native engine is not built", allow_module_level=True)


def test_legs_of_a_relay_say_who_is_heard() -> None:
    subject = RelaySubject(srtp=False)
    subject.start(None)
    try:
        legs = subject.connect(2, addresses(4000))
    finally:
        subject.stop()
    assert [leg.local for leg in legs] == [(f"127.1.0.{host}", 4000) for host in (1, 2, 3, 4)]
    for number, leg in enumerate(legs):
        other = legs[number ^ 1]
        assert {stream.source for stream in leg.receives} == {number ^ 1}
        assert [stream.ssrc for stream in leg.receives] == [stream.ssrc for stream in other.sends]
        assert not leg.sealed


def test_a_relay_has_no_rooms() -> None:
    with pytest.raises(ValueError, match="pairs only"):
        RelaySubject(srtp=True).connect(1, addresses(4000), size=3)
