"""Engines by name."""

import pytest

from bench import engines


def test_by_name() -> None:
    assert engines.make("reference").name == "reference"
    assert engines.best() in ("reference", "native")
    with pytest.raises(ValueError, match="no engine of"):
        engines.make("of nobody")
