"""The engines that tests run over; without the native one built, its tests are skipped, and in CI fail."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from media.reference import ReferenceEngine

NAMES = ("reference", "native")


def native() -> Any:
    """Return `media.native`; skips the test that asks, with a line that says how to get it."""
    if best() == "reference" and "CI" not in os.environ:
        pytest.skip("the native engine is not built (make install tells why)")
    from media import native

    return native


def best() -> str:
    """Return the name of the engine that visits run on here."""
    return "native" if find_spec("media._engine") else "reference"


def engine(name: str) -> Callable[..., Any]:
    """Return what makes an engine with sockets."""
    return ReferenceEngine if name == "reference" else native().NativeEngine
