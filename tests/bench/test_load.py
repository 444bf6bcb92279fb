"""The load generator for a moment, against real servers: nothing is lost, and delays are what a loopback's can be."""

import importlib
import os
from collections.abc import Callable

import pytest

from bench.load import Load, Shape
from bench.relay import RelaySubject
from bench.serve import EngineSubject
from bench.subject import Subject, addresses, free_port
from bench.trial import Session

try:
    importlib.import_module("media._engine")
except ImportError:
    if os.environ.get("CI"):
        raise
    pytest.skip("the native engine is not built", allow_module_level=True)

GENTLE = Shape(video_packets_s=40, audio_packets_s=20, key_frame_s=0.2)


def relay() -> Subject:
    return RelaySubject(srtp=False)


def relay_srtp() -> Subject:
    return RelaySubject(srtp=True)


def reference() -> Subject:
    return EngineSubject("reference")


def native() -> Subject:
    return EngineSubject("native")


@pytest.mark.parametrize("make", [relay, relay_srtp, reference, native])
@pytest.mark.parametrize(("burst", "uneven"), [(False, False), (True, False), (True, True)])
def test_what_is_sent_arrives_once_and_in_order(make: Callable[[], Subject], burst: bool, uneven: bool) -> None:
    shape = Shape(video_packets_s=40, audio_packets_s=20, burst=burst, uneven=uneven)
    with Session(make(), rooms=2, size=2, cpu=None) as session:
        session.run(Shape(video_packets_s=50), rate=1.0, seconds=0.05, warm_up_s=0.0)  # which ends amid frames
        trial = session.run(shape, rate=1.0, seconds=0.5, warm_up_s=0.3)
    result = trial.result
    assert result.sent > 4 * 0.1 * 60  # a busy machine may stop the generator for a while
    assert (result.received, result.duplicates, result.reordered, result.silent) == (result.expected, 0, 0, 0)
    assert result.expected >= result.sent
    assert result.checked > 0
    assert (result.refused, result.strange, result.overflowed) == (0, 0, 0)
    assert 1e-6 < result.p50_s <= result.p99_s <= result.p999_s < 0.5
    assert trial.cpu_s > 0


def test_a_room_of_three_receives_two_others_each() -> None:
    with Session(EngineSubject("reference"), rooms=1, size=3, cpu=None) as session:
        result = session.run(GENTLE, rate=1.0, seconds=0.5, warm_up_s=0.3).result
    assert result.received == result.expected
    assert result.arrived == pytest.approx(2 * result.sent, rel=0.1)
    assert (result.refused, result.strange, result.silent) == (0, 0, 0)


def test_an_engine_that_estimates_is_told_when_packets_arrived() -> None:
    subject = EngineSubject("native")
    with Session(subject, rooms=2, size=2, cpu=None) as session:
        result = session.run(GENTLE, rate=1.0, seconds=1.0, warm_up_s=0.6).result
        counters = subject.counters()
    assert 4 * 5 < result.feedback_sent < 4 * 15  # ten a second each, and the drain's; a busy machine may be late
    assert counters["down_estimates"] >= 4  # nobody sends REMB: without feedback there would be none
    assert (result.refused, result.strange, result.silent) == (0, 0, 0)


def test_an_engine_that_does_not_estimate_is_told_nothing() -> None:
    with Session(EngineSubject("reference"), rooms=1, size=2, cpu=None) as session:
        assert session.run(GENTLE, rate=1.0, seconds=0.3, warm_up_s=0.0).result.feedback_sent == 0


def test_what_is_not_forwarded_is_missed() -> None:
    subject = RelaySubject(srtp=True)
    subject.start(None)
    try:
        legs = subject.connect(1, addresses(free_port()))
        load = Load(legs)
        load.run(GENTLE, 0.2)
        load.reset()
        subject.stop()
        load.run(GENTLE, 0.3)
        result = load.drain(GENTLE, 0.05)
    finally:
        subject.stop()
    assert result.silent == 4
    assert (result.received, result.loss) == (0, 1.0)
    assert result.expected == result.sent > 0
