"""Fixtures of the media tests."""

from collections.abc import Callable

import pytest

from tests.media.twins import ENGINES, Visit


@pytest.fixture(params=ENGINES)
def make_visit(request: pytest.FixtureRequest) -> Callable[[int], Visit]:
    """Make a visit through each engine's core in turn, over a network with the seed given."""

    def make(seed: int) -> Visit:
        return Visit(ENGINES[request.param], seed)

    return make


@pytest.fixture
def visit(make_visit: Callable[[int], Visit]) -> Visit:
    return make_visit(1)
