"""The scenario itself, for half a second: real sockets, handshakes and packets."""

from bench import forward


def test_two_users_see_each_other() -> None:
    run = forward._run(users=2, faster=1.0, seconds=0.5, cpus=[])
    assert run.packets_s > 0
    assert run.cpu_us > 0
    assert run.refused == 0
    assert run.delays_s
