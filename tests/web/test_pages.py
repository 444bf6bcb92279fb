"""The pages as files: everything they name exists, nothing stands inline, nothing comes from elsewhere."""

import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
PAGES = sorted(WEB.glob("*.html"))
MODULES = sorted(WEB.rglob("*.js"))
TABLES = [WEB / "texts" / name for name in ("en.js", "es.js")]  # as long as there is something to say


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_whatever_a_page_names_exists(page: Path) -> None:
    named = re.findall(r'(?:src|href)="/web/([^"]+)"', page.read_text())
    assert named
    assert [each for each in named if not (WEB / each).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_stands_inline(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_comes_from_elsewhere(page: Path) -> None:
    assert re.findall(r'(?:src|href)="(?!/)[^"]*"', page.read_text()) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(WEB)))
def test_whatever_a_module_imports_exists(module: Path) -> None:
    imported = re.findall(r"from '(\.[^']+)'", module.read_text())
    assert [each for each in imported if not (module.parent / each).is_file()] == []


@pytest.mark.parametrize(
    "module", [each for each in MODULES if each not in TABLES], ids=lambda module: str(module.relative_to(WEB))
)
def test_a_module_is_read_in_one_sitting(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 400


def test_the_network_modules_know_no_page() -> None:
    for name in ("emitter", "messages", "signal", "peer", "quality", "protocol"):
        assert re.findall(r"\b(?:document|window|navigator)\.", (WEB / f"{name}.js").read_text()) == []
