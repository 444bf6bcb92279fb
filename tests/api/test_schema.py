"""The served description, tried by machine as each role before a clinic that is there (schemathesis).

Each role tries what it may do, by the table of test_access_matrix; the rest would only be refused, which is tried
there. What would take away the ground that the others stand on is tried alone, elsewhere.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from aiohttp import web

from api import call
from api.limits import LIMITS
from api.routes import ROUTES
from medinova_rt.operations.limit import Limit
from medinova_rt.rights import FRESH
from tests.api.test_access_matrix import EVERYBODY, ROWS
from tests.api.town import Town, town

CONFIG = Path(__file__).with_name("schemathesis.toml")
ROLES = ("administrator", "front-desk", "treating", "self", "operator", "service")
ENDS_THE_SESSION = {"signOut", "revokeSession", "revokeOtherSessions"}
NAMES_ANOTHER = {"mergePatients", "unmergePatients", "addTreating"}  # the body or path holds an id that is made up
TAKES_AWAY = {
    "removeServiceAccount",
    "endRelation",
    "erasePatient",
    "endEmergency",
    "deactivateMember",
    "changeMember",
    "withdrawInvitation",
    "withdrawRelationInvitation",
}
# what wants a fresh proof wants the session's cookie, and renews it; so does what makes a token
NEEDS_THE_COOKIE = {route.operation for route in ROUTES if route.action in FRESH} | {"issueToken", "proveAgain"}
NEEDS_A_FACTOR = {"removeTotp", "renewRecoveryCodes", "askForPasskeyAgain", "removePasskey"}  # nobody in town has one


async def run(town: Town, who: str, folder: Path, *options: str) -> tuple[int, str]:
    """Return the exit code and what was said. A user comes by an access token, which outlives a changed cookie."""
    headers = town.people[who]
    if session := town.sessions.get(who):
        token = town.app[call.TOKENS].for_user(town.users[who], session, town.app[call.CLOCK]())
        headers = {"Authorization": f"Bearer {token}"}
    environment = {**os.environ, **{name.upper(): value for name, value in town.ids.items()}}
    environment["SCHEMATHESIS_HOOKS"] = "tests.api.schemathesis_hooks"
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    document = folder / "openapi.json"
    document.write_bytes((await town.ask("stranger", "GET", "/openapi.json")).body)
    arguments = [option for name in operations(who) for option in ("--include-operation-id", name)]
    arguments += [option for name, value in headers.items() for option in ("--header", f"{name}: {value}")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", str(document)),
        *("--url", town.url, "--checks", "all", "--seed", "1", "--no-color", *arguments, *options),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def operations(who: str) -> list[str]:
    """What that role may do, and not everybody; of what is in the document."""
    described = (
        {route.operation for route in ROUTES if route.tag != "pages"}
        - ENDS_THE_SESSION
        - TAKES_AWAY
        - NAMES_ANOTHER
        - NEEDS_A_FACTOR
        - NEEDS_THE_COOKIE
    )
    return sorted(name for name in described if who in ROWS[name].may and ROWS[name].may != EVERYBODY)


def unlimited(app: web.Application) -> None:
    """So that what is tried is not only that there are limits."""
    limits = app[LIMITS]
    for name in ("addresses", "people", "services", "clinics"):
        setattr(limits, name, Limit(1_000_000, 0.000_001, name="caller"))


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", ROLES)
async def test_nothing_is_found(who: str, tmp_path: Path) -> None:
    async with town(tmp_path) as built:
        unlimited(built.app)
        code, said = await run(built, who, tmp_path, "--max-examples", "100")
    assert code == 0, said


@pytest.mark.timeout(120)
@pytest.mark.parametrize("who", ROLES)
async def test_nothing_is_found_in_a_short_while(who: str, tmp_path: Path) -> None:
    options = ("--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--max-time", "15")
    async with town(tmp_path) as built:
        code, said = await run(built, who, tmp_path, *options, "--rate-limit", "auto")
    assert code == 0, said
