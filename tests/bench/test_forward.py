"""The scenario itself, for half a second: real sockets, handshakes and packets; and when its figures count."""

import pytest

from bench import forward


def test_two_users_see_each_other() -> None:
    run = forward._run(users=2, faster=1.0, seconds=0.5, cpus=[])
    assert run.packets_s > 0
    assert run.cpu_us > 0
    assert run.refused == 0
    assert run.delays_s


@pytest.mark.parametrize(
    ("offered_s", "loss", "core", "refused", "void"),
    [
        (388, 0.0, 0.1, 0, False),
        (300, 0.0, 0.1, 0, True),  # the senders fell behind
        (388, 0.1, 0.3, 0, True),  # lost, and not for want of the engine's core
        (300, 0.4, 0.97, 0, False),  # as much as the engine can
        (388, 0.0, 0.1, 1, True),
    ],
)
def test_what_does_not_count(offered_s: float, loss: float, core: float, refused: int, void: bool) -> None:
    assert forward._Run(5.0, offered_s, 300.0, loss, core, refused=refused).void(2 * forward.PACKETS_S) is void


def test_a_slot_that_got_nothing_lost_all_that_was_sent() -> None:
    one, other = forward._User(0, 1.0), forward._User(1, 1.0)
    one.socket.close()
    other.socket.close()
    other.participant.sources[0].packets_sent = 7
    other.forget()
    other.participant.sources[0].packets_sent += 50
    one.slots[forward.SLOT_SSRC["video"]].note(65535)
    one.slots[forward.SLOT_SSRC["video"]].note(1)
    assert one.expected(other) == 50 + 3
