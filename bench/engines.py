"""The engines by name, as scenarios ask for them."""

import importlib
from contextlib import suppress
from importlib.util import find_spec
from typing import cast

from bench.null import NullEngine
from media.engine import Engine
from media.reference import ReferenceEngine


def make(name: str, address: str = "127.0.0.1") -> Engine:
    """Return an engine on `address` and a free port; raises ValueError where there is no such engine."""
    if name == "null":
        return NullEngine(address)
    if name == "reference":
        return ReferenceEngine((address,))
    if name in ("native", "native-without-gso"):  # only where it was built
        native = importlib.import_module("media.native").NativeEngine
        return cast(Engine, native((address,), gso=name == "native"))
    raise ValueError(f"no engine {name}")


def need_native() -> None:
    """End the run, in one sentence, where there is no load generator."""
    if find_spec("media._engine") is None:
        raise SystemExit("The load generator is part of the native engine, which is not built: make install tells why.")


def best() -> str:
    """Return the name of the engine that visits run on here."""
    with suppress(ImportError):
        importlib.import_module("media.native")
        return "native"
    return "reference"
