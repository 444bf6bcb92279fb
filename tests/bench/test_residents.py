"""Two residents send and see each other while two others join: real sockets, handshakes and packets."""

import importlib
import os

import pytest

from bench import residents

try:
    importlib.import_module("media._engine")
except ImportError:
    if os.environ.get("CI"):
        raise
    pytest.skip("the native engine is not built", allow_module_level=True)


def test_residents_in_calm_and_storm() -> None:
    weather = residents.weather("native", residents=2, joins=2, seconds=0.5)
    for result in (weather.calm, weather.stormy):
        assert result.sound
        assert result.silent == 0
        assert result.received > 0
        assert result.checked > 0
    assert weather.storm.joins == 2
