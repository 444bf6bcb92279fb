"""When a participant begins with DTLS: when its check is answered or, with a server that checks it too, after that.

And connecting where nobody answers.
"""

import os
import socket
from collections.abc import Iterator

import pytest

from bench.connection import Connection, Pair, connect
from bench.dtls import Identity
from media import stun
from media.engine import IceCredentials

THEIRS, OURS = "their-password-in-the-tests", "our-password-in-the-tests"


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(5)
        yield wire


def _connection(server: socket.socket, password: str | None) -> Connection:
    pair = Pair(("127.1.0.1", 0), server.getsockname(), IceCredentials("theirs", THEIRS, "ours"), password)
    connection = Connection(pair, Identity())
    connection.advance(again=True)
    return connection


def _answer_check(server: socket.socket) -> tuple[str, int]:
    client: tuple[str, int]
    check, client = server.recvfrom(2000)
    request = stun.parse(check)
    assert request.username == "theirs:ours"
    assert request.use_candidate
    assert request.authentic(THEIRS)
    server.sendto(stun.binding_success(request.transaction, client, THEIRS), client)
    return client


def _is_hello(datagram: bytes) -> bool:
    return datagram[0] == 22


def test_dtls_begins_when_the_check_is_answered(server: socket.socket) -> None:
    connection = _connection(server, None)
    _answer_check(server)
    connection.read()
    connection.advance()
    assert _is_hello(server.recv(2000))
    connection.socket.close()


def test_who_is_checked_waits_for_the_first_indication(server: socket.socket) -> None:
    connection = _connection(server, OURS)
    client = _answer_check(server)
    server.sendto(stun.binding_request(os.urandom(12), "ours:theirs", OURS, priority=1, controlled=1), client)
    connection.read()
    connection.advance()
    answer = stun.parse(server.recv(2000))
    assert answer.kind is stun.Kind.SUCCESS
    assert answer.authentic(OURS)
    server.sendto(bytes.fromhex("001100002112a442") + os.urandom(12), client)
    connection.read()
    connection.advance()
    assert _is_hello(server.recv(2000))
    connection.socket.close()


def test_whoever_does_not_get_through_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.connection.PATIENCE_S", 0.05)
    monkeypatch.setattr("bench.connection.AGAIN_MS", 10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        pair = Pair(("127.1.0.1", 0), silent.getsockname(), IceCredentials("a", "b" * 22, "c"))
        with pytest.raises(TimeoutError, match="2 of 2 did not get through"):
            connect([pair, pair], Identity())
        assert silent.recv(2000)[:2] == b"\x00\x01"
