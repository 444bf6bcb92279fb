"""Run the tests of docs/evidence.toml, or read what came of a whole run, and write which clause they show.

    python -m tools.evidence                  # runs those tests
    python -m tools.evidence build/tests.xml  # reads the report of make test

Writes build/evidence/evidence.md and evidence.json; ends with 1 if a clause has a test that failed, or none that ran.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "evidence.toml"
OUT = ROOT / "build" / "evidence"

Outcomes = Mapping[str, list[str]]  # by test, without its parameters: what came of each


@dataclass(frozen=True)
class Row:
    clause: str
    what: str
    without: str
    result: str  # passed, failed, open (a test that is known to fail), not run
    tests: Mapping[str, str]


def table() -> dict[str, dict[str, object]]:
    return tomllib.loads(TABLE.read_text())


def shown_by(clause: Mapping[str, object]) -> list[str]:
    by = clause["by"]
    assert isinstance(by, list)
    return by


def outcomes(report: Path) -> Outcomes:
    """Read a JUnit report as pytest writes it."""
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        path = case.get("classname", "").replace(".", "/")
        name = f"{path}.py::{case.get('name', '').partition('[')[0]}"
        found.setdefault(name, []).append(_outcome(case))
    return found


def _outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "open" if skipped.get("type") == "pytest.xfail" else "not run"


def result(each: Sequence[str]) -> str:
    """Of a test with parameters: one that is expected to fail beside others that pass shows that the test can fail."""
    return next((what for what in ("failed", "passed", "open") if what in each), "not run")


def rows(found: Outcomes) -> list[Row]:
    made = []
    for clause, said in table().items():
        by = {test: result(found.get(test, [])) for test in shown_by(said)}
        worst = next((each for each in ("failed", "not run", "open") if each in by.values()), "passed")
        made.append(Row(clause, str(said["what"]), str(said.get("without", "")), worst, by))
    return made


def run() -> Path:
    report = ROOT / "build" / "evidence" / "tests.xml"
    named = sorted({test for said in table().values() for test in shown_by(said)})
    report.parent.mkdir(parents=True, exist_ok=True)
    # what fails is in the report
    subprocess.run([sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *named], cwd=ROOT, check=False)
    return report


def write(made: Sequence[Row], now: datetime) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    about = {"commit": commit.stdout.strip() or "none", "at": now.isoformat(timespec="seconds")}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "evidence.json").write_text(json.dumps({**about, "rows": [asdict(row) for row in made]}, indent=1))
    (OUT / "evidence.md").write_text(page(made, about))


def page(made: Sequence[Row], about: Mapping[str, str]) -> str:
    lines = [
        "# Evidence",
        "",
        f"Commit {about['commit']}, {about['at']}. A row stands for what its tests try, and for no more; "
        "docs/security.md says what is left to whoever runs the server.",
        "",
        "| Clause | What | Result | Tests |",
        "| --- | --- | --- | --- |",
    ]
    for row in made:
        what = f"{row.what} *No such thing here: {row.without}.*" if row.without else row.what
        by = ", ".join(f"`{test}`" + ("" if came == "passed" else f" ({came})") for test, came in row.tests.items())
        lines.append(f"| {row.clause} | {what} | {row.result} | {by} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    report = Path(sys.argv[1]) if len(sys.argv) > 1 else run()
    made = rows(outcomes(report))
    write(made, datetime.now(UTC))
    for row in made:
        print(f"{row.result:<8} {row.clause:<26} {row.what}")
        if row.result != "passed":
            print("\n".join(f"         {came:<8} {test}" for test, came in row.tests.items() if came != "passed"))
    bad = [row for row in made if row.result != "passed"]
    print(f"{len(made) - len(bad)} of {len(made)} clauses shown; build/evidence/evidence.md has the tests of each.")
    return 1 if any(row.result in ("failed", "not run") for row in made) else 0


if __name__ == "__main__":
    sys.exit(main())
