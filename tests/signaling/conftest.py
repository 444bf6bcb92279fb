from collections.abc import AsyncIterator

import pytest

from tests.signaling.stage import Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    await made.open()
    yield made
    await made.close()
