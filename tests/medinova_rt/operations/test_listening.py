import errno
import socket

import pytest

from medinova_rt.operations import listening
from medinova_rt.operations.listening import listen


def test_all_addresses_of_a_host_share_one_port() -> None:
    bound = listen("*", 0)
    try:
        assert len({each.getsockname()[1] for each in bound}) == 1
        assert socket.AF_INET in {each.family for each in bound}
    finally:
        for each in bound:
            each.close()


def test_a_taken_port_is_said_to_be() -> None:
    (taken,) = listen("127.0.0.1", 0)
    taken.listen()
    with pytest.raises(OSError) as refused:
        listen("127.0.0.1", taken.getsockname()[1])
    taken.close()
    assert refused.value.errno == errno.EADDRINUSE


def test_an_address_that_is_not_here_is_refused_only_if_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, here = (socket.AF_INET, "203.0.113.1"), (socket.AF_INET, "127.0.0.1")
    monkeypatch.setattr(listening, "_places", lambda host: [elsewhere, here])
    (bound,) = listen("both", 0)
    assert bound.getsockname()[0] == "127.0.0.1"
    bound.close()
    monkeypatch.setattr(listening, "_places", lambda host: [elsewhere])
    with pytest.raises(OSError):
        listen("elsewhere", 0)


def test_whoever_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "UNREAD_MS", 200)
    (listener,) = listen("127.0.0.1", 0)
    with listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.listen()
        client.connect(listener.getsockname())
        ours, _ = listener.accept()
        ours.settimeout(10)
        with ours, pytest.raises(OSError) as dropped:
            ours.sendall(bytes(32 << 20))  # more than the kernel keeps
    assert dropped.value.errno == errno.ETIMEDOUT
