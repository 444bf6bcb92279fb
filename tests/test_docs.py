"""The documentation says what is so: nothing in the code is missing from it, and it points at nothing that isn't there.

docs/protocol.md has its own test, tests/signaling/test_protocol_page.py.
"""

import re
import subprocess
from pathlib import Path

import pytest

from api.route import Route
from api.routes import ROUTES
from media.plane import MediaPlane
from media.reference import ReferenceEngine
from medinova_rt import config, errors
from tools import draw

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TRACKED = (
    subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
)

# written in two pieces, so that this file does not hold them itself
FORBIDDEN = [
    f"{one}{two}" for one, two in [("pypi.", "org"), ("pythonhosted.", "org"), ("npmjs.", "org"), ("/work/", "main")]
]

# where the native engine names what it counts
NATIVE_COUNTERS = {
    "core/src/counter.rs": r'(?m)^    [A-Z]\w+ = "(\w+)",$',
    "src/engine.rs": r'"([a-z_]+)"',
    "src/python_engine.rs": r'\("([a-z_]+)", self',
    "src/tally.rs": r"(?m)^    (\w+),$",
}


def _named(kind: type[errors.DomainError]) -> list[type[errors.DomainError]]:
    return [one for child in kind.__subclasses__() for one in (child, *_named(child))]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "<!-- drawn:" in page.read_text()], ids=lambda page: page.name
)
def test_drawings_are_those_of_the_tables(page: Path) -> None:
    assert page.read_text() == draw.drawn(page.read_text()), "run: .venv/bin/python -m tools.draw"


def test_every_table_is_drawn_somewhere() -> None:
    drawn = re.findall(r"<!-- drawn: ([\w-]+) -->", "".join(page.read_text() for page in PAGES))
    assert sorted(drawn) == sorted(draw.DRAWINGS)


@pytest.mark.parametrize("setting", config.FIELDS)
def test_every_setting_has_its_row(setting: str) -> None:
    assert f"\n| `{setting}` |" in (ROOT / "docs/operations.md").read_text()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_every_route_has_its_row(route: Route) -> None:
    rows = [row for row in (ROOT / "docs/rest.md").read_text().splitlines() if row.startswith("| `")]
    assert any(f"`{route.method}`" in row and f"`{route.template}`" in row for row in rows)


@pytest.mark.parametrize("code", sorted({one.code for one in _named(errors.DomainError)} | {errors.DomainError.code}))
def test_every_error_code_is_explained(code: str) -> None:
    assert f"`{code}`" in (ROOT / "docs/rest.md").read_text()


def test_every_counter_of_the_engine_has_its_row() -> None:
    code = "".join(file.read_text() for file in (ROOT / "media").glob("*.py"))
    names = set(re.findall(r'counters\["(\w+)"\]', code)) | set(MediaPlane(ReferenceEngine(())).counters())
    native = {path: (ROOT / "native" / path).read_text() for path in NATIVE_COUNTERS}
    names.update(name for path, pattern in NATIVE_COUNTERS.items() for name in re.findall(pattern, native[path]))
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    assert names <= set(re.findall(r"`(\w+)`", "".join(rows)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_every_command_of_the_readme_is_a_target_of_the_makefile() -> None:
    said = re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text())
    assert said
    assert set(said) <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("word", FORBIDDEN)
def test_no_file_names_a_package_index_or_a_machine(word: str) -> None:
    found = [name for name in TRACKED if name and word.encode() in (ROOT / name).read_bytes()]
    assert found == []
