import asyncio
from typing import Literal

import pytest

from medinova_rt.operations import health
from medinova_rt.operations.health import Health, Phase


async def good() -> None:
    pass


async def bad() -> None:
    raise OSError("gone")


async def hung() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("phase", "parts", "status"),
    [
        ("starting", {"store": good}, "starting"),
        ("ready", {}, "ready"),
        ("ready", {"store": good, "media": good}, "ready"),
        ("ready", {"store": good, "media": bad}, "failing"),
        ("ready", {"store": hung}, "failing"),
        ("stopping", {"store": bad}, "stopping"),
    ],
)
async def test_status(phase: Phase, parts: dict[str, object], status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_S", 0.05)
    asked = Health("1.2.3", "http://localhost")
    asked.phase = phase
    for part, check in parts.items():
        asked.add(part, check)  # type: ignore[arg-type]
    said = await asked.readiness()
    assert said.status == status
    works: dict[str, Literal["ok", "failing"]] = {
        part: "ok" if check is good else "failing" for part, check in parts.items()
    }
    assert said.parts == works


async def test_a_part_that_can_be_spared_is_shown_and_leaves_the_server_ready() -> None:
    asked = Health("1.2.3", "http://localhost")
    asked.phase = "ready"
    asked.add("store", good)
    asked.add("mail", bad, spared=True)
    said = await asked.readiness()
    assert (said.status, said.parts) == ("ready", {"store": "ok", "mail": "failing"})
