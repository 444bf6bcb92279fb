"""Connecting where nobody answers."""

import socket

import pytest

from bench import connection
from bench.dtls import Identity
from media.engine import IceCredentials


def test_whoever_does_not_get_through_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE_S", 0.05)
    monkeypatch.setattr(connection, "AGAIN_MS", 10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        pair = connection.Pair(("127.1.0.1", 0), silent.getsockname(), IceCredentials("a", "b" * 22, "c"))
        with pytest.raises(TimeoutError, match="2 of 2 did not get through"):
            connection.connect([pair, pair], Identity())
        assert silent.recv(2000)[:2] == b"\x00\x01"
