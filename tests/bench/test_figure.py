"""Figures as JSON lines, and how bars judge them."""

import json
from pathlib import Path

import pytest

from bench.figure import BARS, Bar, Figure, bars, where

FIGURES = [Figure("a.cpu", 7.5, "µs", {"users": 20}), Figure("a.cpu", 9.0, "µs", {"users": 120})]


def test_a_line_says_what_where_and_of_which_commit() -> None:
    line = json.loads(FIGURES[0].line(where()))
    assert (line["name"], line["value"], line["unit"], line["parameters"]) == ("a.cpu", 7.5, "µs", {"users": 20})
    assert line["machine"]
    assert line["commit"]


@pytest.mark.parametrize(
    ("figure", "comparison", "value", "parameters", "holds", "text"),
    [
        ("a.cpu", "<=", 8, {"users": 20}, True, "a.cpu: 7.5 µs, wanted <= 8: holds, 0.94 of the bar (here)"),
        ("a.cpu", "<=", 8, {}, False, "a.cpu: 9 µs, wanted <= 8: falls short, 1.12 of the bar (here)"),
        ("a.cpu", ">=", 8, {}, True, "a.cpu: 9 µs, wanted >= 8: holds, 1.12 of the bar (here)"),
        ("a.cpu", "<=", 8, {"users": 7}, False, "a.cpu: not measured (wanted <= 8; here)"),
        ("a.cpu", "<=", 0, {"users": 20}, False, "a.cpu: 7.5 µs, wanted <= 0: falls short (here)"),
        ("a.loss", "<=", 8, {}, False, "a.loss: not measured (wanted <= 8; here)"),
    ],
)
def test_bars(
    figure: str, comparison: str, value: float, parameters: dict[str, str | int | float], holds: bool, text: str
) -> None:
    assert Bar(figure, comparison, value, "here", parameters).judge(FIGURES) == (holds, text)


def test_bars_are_read_by_scenario(tmp_path: Path) -> None:
    file = tmp_path / "bars.toml"
    file.write_text(
        '[[bar]]\nfigure="a.cpu"\ncomparison="<="\nvalue=8\nsource="here"\n'
        '[[bar]]\nfigure="b.cpu"\ncomparison="<="\nvalue=8\nsource="here"\n'
    )
    assert bars("a", file) == [Bar("a.cpu", "<=", 8, "here")]


def test_a_bar_may_name_its_scenarios(tmp_path: Path) -> None:
    file = tmp_path / "bars.toml"
    file.write_text('[[bar]]\nfigure="joins.cpu"\ncomparison="<="\nvalue=3\nsource="here"\nbench=["storm", "all"]\n')
    known = [Bar("joins.cpu", "<=", 3, "here", bench=["storm", "all"])]
    assert bars("storm", file) == bars("all", file) == known
    assert bars("joins", file) == []


def test_the_bars_of_the_project_are_well_formed() -> None:
    assert isinstance(bars("forward", BARS), list)
