"""One measured figure as one JSON line, and the bars that the figures are held against."""

import json
import os
import platform
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

BARS = Path(__file__).with_name("bars.toml")
_HOLDS = {"<": float.__lt__, "<=": float.__le__, ">=": float.__ge__}


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` begins with the scenario's: `forward.cpu`; `parameters` say under what load it was taken."""

    name: str
    value: float
    unit: str
    parameters: dict[str, str | int | float] = field(default_factory=dict)

    def line(self, where: dict[str, str]) -> str:
        return json.dumps({**asdict(self), "value": round(self.value, 4), **where})


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with these parameters (those not named don't matter) is to compare so with `value`."""

    figure: str
    comparison: str  # "<", "<=" or ">="
    value: float
    source: str
    parameters: dict[str, str | int | float] = field(default_factory=dict)
    bench: Sequence[str] = ()  # who measures and judges it; empty: as the figure's name begins
    void: bool = False  # without it the whole run says nothing

    def judge(self, figures: Sequence[Figure]) -> tuple[bool, str]:
        """Return whether it holds, and one line that says by how much; a bar without its figure does not hold."""
        found = [figure for figure in figures if figure.name == self.figure and self._fits(figure)]
        if not found:
            return False, f"{self.figure}: not measured (wanted {self.comparison} {self.value:g}; {self.source})"
        value = float(found[-1].value)
        holds = _HOLDS[self.comparison](value, float(self.value))
        verdict = "holds" if holds else "falls short"
        share = f", {value / self.value:.2f} of the bar" if self.value else ""
        return holds, (
            f"{self.figure}: {value:g} {found[-1].unit}, wanted {self.comparison} {self.value:g}: "
            f"{verdict}{share} ({self.source})"
        )

    def _fits(self, figure: Figure) -> bool:
        return all(figure.parameters.get(name) == value for name, value in self.parameters.items())


def bars(scenario: str, path: Path = BARS) -> list[Bar]:
    """Return the bars of one scenario."""
    found = [Bar(**row) for row in tomllib.loads(path.read_text()).get("bar", [])]
    return [bar for bar in found if scenario in (bar.bench or bar.figure.split(".")[:1])]


def where() -> dict[str, str]:
    """Describe the machine and the commit."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "machine": f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}",
        "commit": commit or "unknown",
    }
