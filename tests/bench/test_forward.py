"""What `forward` makes of its trials, and which of its parts are chosen."""

from typing import Any

import pytest

from bench import abuse, engines, forward, memory, storm
from bench.figure import BARS, Bar, Figure, bars
from bench.load import Result
from bench.trial import Trial


def trial(arrived: int, cpu_s: float = 1.0, waited_s: float = 0.0, lost: int = 0) -> Trial:
    counts: dict[str, Any] = dict.fromkeys(Result.__dataclass_fields__, 0)
    # the counts that matter here; everything else is 0
    counts |= {"arrived": arrived, "sent": arrived, "expected": arrived + lost, "received": arrived}
    return Trial(Result(**{**counts, "wall_s": 1.0, "cpu_s": 0.5}), cpu_s, waited_s)


def test_ratios_are_medians_of_what_each_round_gave() -> None:
    trials: forward.Trials = {
        ("saturated", "native"): [trial(80), trial(30), trial(90)],
        ("saturated", "relay"): [trial(100), trial(60), trial(100)],
        ("light", "native"): [trial(100, 1.0), None],
        ("light", "janus"): [trial(100, 6.0), trial(100, 7.0)],
    }
    found = {figure.name: (figure.value, figure.parameters["runs"]) for figure in forward.ratios(trials)}
    assert found == {"forward.ratio.relay": (0.8, 3), "forward.ratio.light_janus": (pytest.approx(6.0), 1)}


def test_figures_leave_out_what_failed() -> None:
    trials: forward.Trials = {("visits", "native"): [trial(100), None, trial(300), trial(200)]}
    figures = list(forward.figures(trials, {"native": {"seconds": 3.0}}))
    packets = next(figure for figure in figures if figure.name == "forward.packets")
    expected = {"scenario": "visits", "server": "native", "runs": 3, "seconds": 3.0}
    assert (packets.value, packets.parameters) == (200, expected)


def test_the_machine_and_the_worst_round_are_told() -> None:
    done = [trial(100, 0.25, 0.2, lost=100), trial(100, 0.5, 0.1), trial(100, 1.0, 0.0)]
    found = {figure.name: figure.value for figure in forward.figures({("visits", "native"): [*done]}, {})}
    told = {"waited": 0.1, "generator.cheaper": 1.0, "loss": 0.0, "loss.worst": 0.5}
    assert {name: found[f"forward.{name}"] for name in told} == told


def test_whoever_is_first_in_one_round_is_last_in_the_next() -> None:
    assert [forward.in_turn(("a", "b", "c"), number) for number in range(3)] == [[*"abc"], [*"cba"], [*"abc"]]


@pytest.mark.parametrize(
    ("server", "cpu_s", "waited_s", "void"),
    [
        ("relay", 0.95, 0.05, []),
        ("relay-srtp", 0.92, 0.0, ["forward.core"]),
        ("relay", 0.85, 0.15, ["forward.core", "forward.waited"]),
        ("native", 0.5, 0.11, ["forward.waited"]),
    ],
)
def test_a_run_is_void_where_the_core_was_not_the_limit(
    server: str, cpu_s: float, waited_s: float, void: list[str]
) -> None:
    figures = list(forward.figures({("saturated", server): [trial(300_000, cpu_s, waited_s)]}, {}))
    there = {"scenario": "saturated", "server": server}
    conditions = [bar for bar in bars("forward", BARS) if bar.void and bar.parameters == there]
    assert [bar.figure for bar in conditions if not bar.judge(figures)[0]] == void


def beside() -> list[Figure]:
    """The figures that the modules beside say they yield."""
    there: dict[str, str | int | float] = {"engine": "native"}
    names = ("cpu", "rate", "media.loss", "media.delay")
    sizes = ("participant", "engine", "held")
    return [Figure(f"joins.{name}", 1, "", there) for name in names] + [
        Figure(f"memory.{name}", 1, "", there) for name in sizes
    ]


@pytest.mark.parametrize(
    ("only", "asked"), [([], ["storm", "memory"]), (["light"], []), (["memory", "light"], ["memory"])]
)
def test_what_is_measured_beside(monkeypatch: pytest.MonkeyPatch, only: list[str], asked: list[str]) -> None:
    monkeypatch.setattr(engines, "need_native", lambda: None)
    monkeypatch.setattr(forward, "rounds", lambda *_: ({}, {}))
    for module in (storm, memory):
        name = module.__name__.split(".")[-1]
        monkeypatch.setattr(module, "measure", lambda quick, bare, name=name: iter([Figure(name, 1, "", {"q": quick})]))
    assert list(forward.measure(True, only)) == [Figure(name, 1, "", {"q": True}) for name in asked]


def test_every_bar_of_forward_has_a_figure_that_can_be_measured() -> None:
    scenarios = {(scenario.name, server) for stage in forward.STAGES for scenario in stage.scenarios
                 for server in scenario.servers}  # fmt: skip
    trials: forward.Trials = {key: [trial(100)] for key in scenarios}
    figures = [*forward.figures(trials, {}), *forward.ratios(trials), *beside()]
    unjudged = [bar.judge(figures)[1] for bar in bars("forward", BARS) if "not measured" in bar.judge(figures)[1]]
    assert unjudged == []


@pytest.mark.parametrize(("relay", "srtp", "void"), [(250, 180, []), (249, 180, [250]), (300, 179, [180])])
def test_a_run_is_void_where_the_machine_does_not_reach_its_limits(relay: int, srtp: int, void: list[int]) -> None:
    trials: forward.Trials = {
        ("saturated", "relay"): [trial(relay * 1000)],
        ("saturated", "relay-srtp"): [trial(srtp * 1000)],
    }
    figures = list(forward.figures(trials, {}))
    conditions: list[Bar] = [bar for bar in bars("forward", BARS) if bar.void and bar.figure == "forward.packets"]
    assert [bar.value / 1000 for bar in conditions if not bar.judge(figures)[0]] == void


@pytest.mark.parametrize(
    ("only", "left"),
    [
        (["light"], {("light", "native"), ("light", "janus"), ("light", "janus-openssl")}),
        (["relay", "saturated"], {("saturated", "relay")}),
        (["janus"], {("light", "janus"), ("clean", "janus")}),
        (["storm", "memory"], set()),
        (["storm", "room"], {("room", "native")}),
    ],
)
def test_parts_are_chosen_by_scenario_and_server(only: list[str], left: set[tuple[str, str]]) -> None:
    chosen = forward.chosen(only)
    found = {(scenario.name, server) for stage in chosen for scenario in stage.scenarios for server in scenario.servers}
    assert found == left


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="no scenario or server nothing"):
        forward.chosen(["nothing", "relay"])


def test_without_the_native_engine_there_is_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    for scenario in (forward, abuse):
        with pytest.raises(SystemExit, match="not built"):
            next(scenario.measure(quick=True))
