import pytest

from api import call
from medinova_rt.operations.health import Phase
from tests.api.conftest import Door


async def test_alive(door: Door) -> None:
    answer = await door.ask("GET", "/healthz", key=None)
    assert (answer.status, answer.json) == (200, {"status": "alive"})


@pytest.mark.parametrize(("phase", "status"), [("starting", 503), ("ready", 200), ("stopping", 503)])
async def test_ready_only_between_start_and_stop(door: Door, phase: Phase, status: int) -> None:
    door.app[call.HEALTH].phase = phase
    answer = await door.ask("GET", "/readyz", key=None)
    assert (answer.status, answer.json["status"]) == (status, phase)


async def test_not_ready_while_a_part_fails(door: Door) -> None:
    async def fail() -> None:
        raise OSError

    health = door.app[call.HEALTH]
    health.phase = "ready"
    health.add("store", fail)
    answer = await door.ask("GET", "/readyz", key=None)
    assert (answer.status, answer.json["status"], answer.json["parts"]) == (503, "failing", {"store": "failing"})
