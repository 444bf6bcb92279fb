"""`python -m bench`: finding scenarios, and the exit code."""

import json
from collections.abc import Iterator

import pytest

from bench import __main__ as bench
from bench import forward
from bench.figure import Bar, Figure


def test_scenarios_are_found_with_their_descriptions() -> None:
    found = bench.scenarios()
    assert found["forward"].startswith("What forwarding costs")
    assert "figure" not in found


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["nothing"])
    assert "forward" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "value", "code"),
    [([], 9.0, 0), (["--bars"], 9.0, 1), (["--bars"], 7.0, 0), (["--quick", "--bars"], 9.0, 0)],
)
def test_figures_bars_and_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], value: float, code: int
) -> None:
    monkeypatch.setattr(forward, "measure", lambda quick: iter([Figure("forward.cpu", 1.0 if quick else value, "µs")]))
    monkeypatch.setattr(bench, "bars", lambda name: [Bar(f"{name}.cpu", "<=", 8, "here")])
    assert bench.main(["forward", *arguments]) == code
    assert json.loads(capsys.readouterr().out)["name"] == "forward.cpu"


@pytest.mark.parametrize(
    ("arguments", "relay", "code"),
    [([], 300.0, 0), ([], 200.0, 2), (["--bars"], 200.0, 2), (["--bars"], 300.0, 1), (["--only", "light"], 200.0, 0)],
)
def test_a_void_run_is_said_to_be_void(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], relay: float, code: int
) -> None:
    asked: list[object] = []

    def measure(quick: bool, only: object = None) -> Iterator[Figure]:
        asked.append(only)
        return iter([Figure("forward.packets", relay, "packets/s")])

    monkeypatch.setattr(forward, "measure", measure)
    known = [Bar("forward.packets", ">=", 250, "here", void=True), Bar("forward.cpu", "<=", 8, "here")]
    monkeypatch.setattr(bench, "bars", lambda name: known)
    assert bench.main(["forward", *arguments]) == code
    assert ("void" in capsys.readouterr().err) == (code == 2)
    assert asked == [arguments[1:] if "--only" in arguments else None]
