"""The lite agent: answers, paths, generations and consent, check by check."""

from typing import Any

import pytest

from media import stun
from media.engine import IceCredentials
from media.ice import IceAgent, Path

A: Path = (("192.0.2.1", 7), ("198.51.100.1", 1))
B: Path = (("192.0.2.1", 7), ("198.51.100.2", 2))


def credentials(name: str) -> IceCredentials:
    return IceCredentials(f"local-{name}", f"password-{name}", f"remote-{name}")


def check(name: str = "0", password: str | None = None, **fields: Any) -> stun.Message:
    ice = credentials(name)
    values: dict[str, Any] = {"priority": 1, "controlling": 1, "use_candidate": True, **fields}
    return stun.parse(
        stun.binding_request(
            b"t" * 12, f"{ice.local_ufrag}:{ice.remote_ufrag}", password or ice.local_password, **values
        )
    )


def agent() -> IceAgent:
    return IceAgent(credentials("0"))


def test_a_nomination_makes_the_path() -> None:
    lite = agent()
    answer = lite.on_check(check(), A, 0.0)
    assert answer is not None
    assert (lite.path, answer.path_up, answer.authenticated) == (A, 0, True)
    reply = stun.parse(answer.reply)
    assert (reply.kind, reply.transaction, reply.mapped_address) == (stun.Kind.SUCCESS, b"t" * 12, A[1])
    assert reply.authentic("password-0")
    again = lite.on_check(check(), A, 1.0)
    assert again is not None
    assert again.path_up is None


def test_a_check_without_nomination_makes_none() -> None:
    lite = agent()
    answer = lite.on_check(check(use_candidate=False), A, 0.0)
    assert answer is not None
    assert (lite.path, answer.path_up, answer.authenticated) == (None, None, True)


@pytest.mark.parametrize("message", [check("9"), check(password="wrong"), check("0", "password-9")])
def test_silence_for_what_is_not_ours(message: stun.Message) -> None:
    lite = agent()
    assert lite.on_check(message, A, 0.0) is None
    assert lite.path is None


@pytest.mark.parametrize(("fields", "code"), [({"controlling": None, "controlled": 1}, 487)])
def test_errors_are_signed_and_move_nothing(fields: dict[str, Any], code: int) -> None:
    lite = agent()
    answer = lite.on_check(check(**fields), A, 0.0)
    assert answer is not None
    reply = stun.parse(answer.reply)
    assert (reply.error_code, reply.authentic("password-0")) == (code, True)
    assert (lite.path, answer.authenticated) == (None, False)


def test_the_last_nomination_wins() -> None:
    lite = agent()
    lite.on_check(check(), A, 0.0)
    lite.on_check(check(use_candidate=False), B, 0.1)
    assert lite.path == A
    lite.on_check(check(), B, 0.2)
    assert lite.path == B


@pytest.mark.parametrize(
    ("checks", "down_at"),
    [
        ([(0.0, A, True)], 15.0),
        ([(0.0, A, True), (10.0, A, False)], 25.0),  # any check on the path will do
        ([(0.0, A, True), (10.0, B, False)], 15.0),  # elsewhere it says nothing about this address
        ([(0.0, A, True), (10.0, B, True)], 25.0),
    ],
)
def test_consent_ends_15_s_after_the_last_check_on_the_path(
    checks: list[tuple[float, Path, bool]], down_at: float
) -> None:
    lite = agent()
    for at, path, nominates in checks:
        lite.on_check(check(use_candidate=nominates), path, at)
    assert lite.tick(down_at - 0.01) is None
    assert lite.tick(down_at) == 0
    assert lite.tick(down_at + 1) is None  # told once
    assert lite.path is None
    answer = lite.on_check(check(use_candidate=False), checks[-1][1] if checks[-1][2] else A, down_at + 2)
    assert answer is not None
    assert answer.path_up == 0


def test_two_generations_hold_until_5_s_after_the_new_one_nominates() -> None:
    lite = agent()
    lite.on_check(check("0"), A, 0.0)
    assert lite.restart(credentials("1")) == 1
    assert lite.on_check(check("0"), A, 10.0)
    assert lite.on_check(check("1", use_candidate=False), A, 11.0)
    assert lite.path == A
    answer = lite.on_check(check("1"), A, 12.0)  # one address, two generations
    assert answer is not None
    assert answer.path_up == 1
    assert lite.on_check(check("0"), B, 16.0)  # answered …
    assert lite.path == A  # … and may nominate nothing any more
    lite.tick(16.9)
    assert lite.ufrags() == ["local-0", "local-1"]
    lite.tick(17.0)
    assert lite.ufrags() == ["local-1"]
    assert lite.on_check(check("0"), A, 17.1) is None


def test_at_most_two_generations_and_the_one_in_use_stays() -> None:
    lite = agent()
    lite.on_check(check("0"), A, 0.0)
    for number in range(1, 10):
        assert lite.restart(credentials(str(number))) == number
        assert lite.ufrags() == ["local-0", f"local-{number}"]


def test_a_restart_before_any_nomination_keeps_the_one_before() -> None:
    lite = agent()
    lite.restart(credentials("1"))
    lite.restart(credentials("2"))
    assert lite.ufrags() == ["local-1", "local-2"]
