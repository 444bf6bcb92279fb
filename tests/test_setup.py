"""What setup.py says is in the way of building the native engine, with tools made up for the purpose."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def setup() -> ModuleType:
    found = importlib.util.spec_from_file_location("setup_of_medinova", ROOT / "setup.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the one folder on the PATH, empty."""
    for name in ("CARGO", "RUSTC", "MEDINOVA_REQUIRE_NATIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_cargo(setup: ModuleType, tools: Path) -> None:
    tool(tools, "rustc", "echo rustc 1.95.0")
    assert setup.obstacle() == "there is no cargo on the PATH (https://rustup.rs installs it)"


@pytest.mark.parametrize("script", [None, "exit 1", "echo", "echo rustc; exit 1"])
def test_without_a_compiler_that_runs(setup: ModuleType, tools: Path, script: str | None) -> None:
    tool(tools, "cargo", "exit 0")
    if script is not None:
        tool(tools, "rustc", script)
    assert setup.obstacle() == "cargo is there, and rustc does not run"


@pytest.mark.parametrize("version", ["1.63.0", "1.87.0-nightly", "0.99.0"])
def test_a_compiler_too_old(setup: ModuleType, tools: Path, version: str) -> None:
    tool(tools, "cargo", "exit 0")
    tool(tools, "rustc", f"echo 'rustc {version} (4b91a6ea7 2022-08-08)'")
    assert setup.obstacle() == f"rustc is {version}, and 1.88 is needed"


@pytest.mark.parametrize("version", ["1.88.0", "1.100.0", "2.0.0-beta.1"])
def test_a_compiler_new_enough_with_its_crates_here(setup: ModuleType, tools: Path, version: str) -> None:
    tool(tools, "cargo", 'case "$*" in *--offline*) exit 0;; esac; exit 1')
    tool(tools, "rustc", f"echo 'rustc {version} (4b91a6ea7 2026-08-08)'")
    assert setup.obstacle() is None


def test_without_the_crates_it_gives_up_soon_unless_the_engine_is_required(
    setup: ModuleType, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tools, "cargo", f'echo "$CARGO_NET_RETRY" >> {tools}/tries; exit 1')
    tool(tools, "rustc", "echo rustc 1.95.0")
    monkeypatch.delenv("CARGO_NET_RETRY", raising=False)
    why = "its crates are neither here nor to be had"
    assert setup.obstacle() == why
    monkeypatch.setenv("MEDINOVA_REQUIRE_NATIVE", "1")
    assert setup.obstacle() == why
    assert (tools / "tries").read_text() == "\n0\n\n\n"  # each time offline first
    assert not os.environ.get("CARGO_NET_RETRY")
