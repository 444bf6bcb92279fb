"""Two who change the same thing from the same version: one of them is told to read it again."""

import asyncio
from pathlib import Path

import pytest

from tests.api.town import town

CHANGES = [
    ("front-desk", "/v1/patients/{patient}", [{"given": "Ann"}, {"given": "Anna"}]),
    ("administrator", "/v1/clinics/{clinic}", [{"name": "Hither"}, {"name": "Yonder"}]),
    ("self", "/v1/me", [{"name": "One"}, {"name": "Other"}]),
]


@pytest.mark.parametrize(("who", "template", "bodies"), CHANGES)
async def test_of_two_changes_of_one_version_one_is_refused(
    tmp_path: Path, who: str, template: str, bodies: list[dict[str, str]]
) -> None:
    async with town(tmp_path) as built:
        path = template.format(**built.ids)
        read = await built.ask(who, "GET", path)
        assert read.status == 200
        headers = {"If-Match": read.headers["ETag"], "Content-Type": "application/merge-patch+json"}
        answers = await asyncio.gather(*(built.ask(who, "PATCH", path, headers, json=body) for body in bodies))
        assert sorted(answer.status for answer in answers) == [200, 412]
        after = await built.ask(who, "GET", path)
        won = next(body for body, answer in zip(bodies, answers, strict=True) if answer.status == 200)
        assert all(name.encode() in after.body for name in won.values())
