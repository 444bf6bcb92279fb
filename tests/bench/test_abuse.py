"""Floods of strangers for a moment: nothing comes back, and what was refused is counted."""

import importlib
import os
import time

import pytest

from bench import abuse
from bench.abuse import CALL, Scene
from bench.flood import OF_A_KIND, Flood, nearly, strangers
from media import stun

try:
    importlib.import_module("media._engine")
except ImportError:
    if os.environ.get("CI"):
        raise
    pytest.skip("the native engine is not built", allow_module_level=True)

FLOOD_S, RATE = 0.3, 20_000.0


def test_strangers_come_in_four_kinds_in_equal_parts() -> None:
    found = strangers()
    assert len(found) == len(set(found)) == 4 * OF_A_KIND
    firsts = [{datagram[0] for datagram in found[kind::4]} for kind in range(4)]
    assert min(firsts[0]) >= 192
    assert firsts[1:] == [{0}, {0x80}, {22}]
    assert all(stun.username_of(datagram) for datagram in found[1::4])


def test_strangers_get_no_answer_and_are_counted() -> None:
    with Scene(None, visits=2) as scene:
        scene.load.run(CALL, 0.1)
        before = scene.server.counters()
        flood = Flood(strangers() + nearly(scene.legs), scene.remote, RATE)
        with flood:
            time.sleep(FLOOD_S)
        said = flood.account()
        result = scene.run(0.2)
        after = scene.server.counters()
    grown = {name: after[name] - before[name] for name in after}
    assert said.replies == 0
    assert 0 < said.sent <= RATE * said.wall_s
    assert grown["unknown_address"] > 0
    assert grown["stun_unknown_ufrag"] > 0
    assert grown["stun_not_authentic"] > 0
    # whatever the kernel didn't drop was looked at
    refused = ("unknown_address", "stun_unknown_ufrag", "stun_not_authentic", "stun_flood", "stun_malformed")
    assert sum(grown[name] for name in refused) <= said.sent
    assert result.received > 0
    assert (result.refused, result.strange) == (0, 0)


def test_a_flood_in_runs_is_taken_or_counted_as_dropped_and_visits_go_on_after_it() -> None:
    with Scene(None, visits=2) as scene:
        scene.load.run(CALL, 0.1)
        _, _, taken, dropped, said = abuse.overload(scene, FLOOD_S)
        result = scene.run(0.2)
    assert said.replies == 0
    assert taken > 0
    assert taken + abuse.RUN * dropped >= said.sent > 0
    assert result.received > 0.9 * result.expected


def test_one_who_floods_its_own_stream_is_capped() -> None:
    with Scene(None, visits=2) as scene:
        scene.load.run(CALL, 0.1)
        _, during, passed = abuse.beside_own(scene, FLOOD_S)
    assert 0 < passed.arrived < 0.9 * passed.sent  # a busy machine sends less, and the bucket fills meanwhile
    assert during.received > 0


def test_what_is_no_phase_is_refused() -> None:
    with pytest.raises(ValueError, match="no phase nonsense"):
        next(abuse.measure(quick=True, only=["nonsense"]))
