"""Builds the native engine along where that can be done; everything else about the build stands in pyproject.toml.

The server runs without it, so what is in the way of building it is found out within seconds, before anything is
compiled, and then only told: no cargo, a compiler that is too old, crates that can't be had. With
`MEDINOVA_REQUIRE_NATIVE=1` each of these is an error, and so is a compilation that fails.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools_rust import Binding, RustExtension

MANIFEST = Path(__file__).parent / "native" / "Cargo.toml"
BUILDING = {"build", "build_ext", "build_rust", "bdist_wheel", "editable_wheel", "develop", "install"}
FETCH_S = 120  # for crates that do come; nobody is there: each try gives up after CONNECT_S
CONNECT_S = 5
# cargo asks the network as a whole ten times longer otherwise: three more tries, 30 s each
IMPATIENT = {"CARGO_NET_RETRY": "0", "CARGO_HTTP_TIMEOUT": str(CONNECT_S)}


def required() -> bool:
    return os.environ.get("MEDINOVA_REQUIRE_NATIVE", "") not in ("", "0")


def obstacle() -> str | None:
    """Return in one sentence what is in the way of compiling the engine, or None; fetches its crates if it must."""
    cargo = shutil.which(os.environ.get("CARGO", "cargo"))
    if cargo is None:
        return "there is no cargo on the PATH (https://rustup.rs installs it)"
    needed = tomllib.loads(MANIFEST.read_text())["workspace"]["package"]["rust-version"]
    version = _said(os.environ.get("RUSTC", "rustc"), "--version").split(" ")
    if len(version) < 2:
        return "cargo is there, and rustc does not run"
    if _numbers(version[1]) < _numbers(needed):
        return f"rustc is {version[1]}, and {needed} is needed"
    fetch = [cargo, "fetch", "--quiet", "--locked", "--manifest-path", str(MANIFEST)]
    if _works([*fetch, "--offline"]) or _works(fetch, {} if required() else IMPATIENT):
        return None
    return "its crates are neither here nor to be had"


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _works(command: list[str], extra: dict[str, str] | None = None) -> bool:
    try:
        done = subprocess.run(command, env=os.environ | (extra or {}), timeout=FETCH_S, stderr=subprocess.PIPE)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split("."))


def main() -> None:
    why = obstacle() if BUILDING & set(sys.argv) else None
    if why is not None and required():
        sys.exit(f"MEDINOVA_REQUIRE_NATIVE is set, and the native engine can't be built: {why}.")
    if why is not None:
        print(f"The native engine is not built along: {why}. The reference engine will run.", file=sys.stderr)
    engine = RustExtension(
        "media._engine",
        path="native/Cargo.toml",
        binding=Binding.PyO3,
        features=["extension-module"],
        cargo_manifest_args=["--locked", "--offline"],  # `obstacle` has fetched the crates
        py_limited_api=True,  # one module for every Python from 3.11 on
        debug=False,  # of an editable installation, too
        optional=not required(),
    )
    setup(
        rust_extensions=[] if why is not None else [engine],
        options={} if why is not None else {"bdist_wheel": {"py_limited_api": "cp311"}},
    )


if __name__ == "__main__":
    main()
