"""The served description, tried by machine as callers of every kind before a clinic that is there (schemathesis).

Each tries what they may do, by the table of test_access_matrix; the rest would only be refused, which is tried there.
It is done twice: with paths that name what is there (`examples`, `coverage`, `fuzzing`), and by the described links
alone (`stateful`), from what an answer names to what can be done with it. Limits are on; what waits is told how long.

How much is tried is a number of examples from a fixed seed, never a time, so that a busy machine tries the same.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from api import repeating
from api.routes import ROUTES
from medinova_rt.grants import StaffRole
from medinova_rt.rights import Action
from tests.api.ground import Ground
from tests.api.schemathesis_hooks import CROWD, KEY, OTHER
from tests.api.test_access_matrix import EVERYBODY, ROWS
from tests.api.town import HERE, Town, town

CONFIG = Path(__file__).with_name("schemathesis.toml")
CALLERS = (
    "stranger",
    "half",
    "parent",
    "carer",
    "interpreter",
    "billing",
    "clinician",
    "treating",
    "service",
    "operator",
    "self",
    "front-desk",
    "administrator",
)
WALKERS = ("service", "self", "front-desk", "administrator")  # who, by links alone, come to something
PROVEN = {Action.SECOND_FACTOR, Action.ME_PROVE, Action.PASSWORD_CHANGE}  # by what is in the body
BUSY, CROWD_SIZE = ("administrator", "front-desk"), 8  # who may do so much that they would mostly wait
UNIT = "examples,coverage,fuzzing"

# Left out, and why:
LEFT_OUT = {
    "erasePatient": "a key that was destroyed cannot be put back; tests/api/test_erasures.py",
    "readSeat": "the cookie's name has the seat's id, which a security scheme cannot say; test_links",
}


def operations(who: str) -> list[str]:
    """What that caller may do of what is in the document: a stranger what everybody may, the others the rest."""
    return sorted(name for name in described() if who in may(name) and (may(name) == EVERYBODY) == (who == "stranger"))


def may(operation: str) -> frozenset[str]:
    """As the matrix says of whoever has a passkey, which here everybody has."""
    return ROWS["renewRecoveryCodes" if operation == "removePasskey" else operation].may


def covered(who: str) -> list[str]:
    """A share of what they may do, such that all of them together try everything, and each about as much."""
    shares: dict[str, list[str]] = {each: [] for each in CALLERS}
    able = {name: [each for each in CALLERS if name in operations(each)] for name in sorted(described())}
    for name, callers in sorted(able.items(), key=lambda item: len(item[1])):
        shares[min(callers, key=lambda each: len(shares[each]))].append(name)
    return shares[who]


def described() -> set[str]:
    return {route.operation for route in ROUTES if route.tag != "pages"} - set(LEFT_OUT)


def config(town: Town, folder: Path, uncovered: list[str], *, fixed: bool) -> Path:
    """What the configuration says besides: where things are, and which of the operations others cover."""
    text = CONFIG.read_text()
    if fixed:
        text += "\n[parameters]\n" + "".join(f'"path.{name}" = "{id_}"\n' for name, id_ in town.ids.items())
        treating = f'{{ "path.member" = "{town.users["treating"]}" }}'
        text += f'\n[[operations]]\ninclude-operation-id = ["addTreating"]\nparameters = {treating}\n'
    if uncovered:
        names = ", ".join(f'"{name}"' for name in uncovered)
        text += f"\n[[operations]]\ninclude-operation-id = [{names}]\nphases.coverage.enabled = false\n"
    guessed = ", ".join(f'"{route.operation}"' for route in ROUTES if route.guessable or route.action in PROVEN)
    # a secret that is made up is 401, always; and soon 429 for minutes, which nobody waits for here
    text += f'\n[[operations]]\ninclude-operation-id = [{guessed}]\nwarnings = ["missing_test_data"]\n'
    text += 'rate-limit = "1000/s"\n'
    path = folder / "schemathesis.toml"
    path.write_text(text)
    return path


def crowd(town: Town, who: str) -> list[str]:
    """The caller, and who else is the same."""
    return [each for each in town.users if each == who or each.startswith(f"{who}/")]


async def run(
    town: Town, who: str, folder: Path, *options: str, uncovered: list[str] | None = None, fixed: bool = True
) -> tuple[int, str]:
    """Return the exit code and what was said."""
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks", OTHER: town.ids["other"]}
    environment[KEY] = json.dumps([repeating.HEADER, repeating.PATTERN])
    environment[CROWD] = json.dumps([town.people[each]["Cookie"] for each in crowd(town, who)])
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    headers = {name: value for name, value in town.people[who].items() if name != "Cookie"}
    document = folder / "openapi.json"
    document.write_bytes((await town.ask("stranger", "GET", "/openapi.json")).body)
    arguments = [option for name in operations(who) for option in ("--include-operation-id", name)]
    arguments += [option for name, value in headers.items() for option in ("--header", f"{name}: {value}")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file"),
        *(str(config(town, folder, uncovered or [], fixed=fixed)), "run", str(document)),
        *("--url", town.url, "--checks", "all", "--seed", "1", "--no-color", "--rate-limit", "auto"),
        *("--generation-database", "none", *arguments, *options),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode()


async def tried(
    who: str, folder: Path, monkeypatch: pytest.MonkeyPatch, phases: str, examples: int, *, all_covered: bool
) -> None:
    ground = Ground()
    ground.watch(monkeypatch)
    asyncio.get_running_loop().set_debug(False)  # thousands of calls: it would take the server twice as long
    async with town(folder) as built:
        built.ids["other"] = await built.patient("pat-other", HERE)
        await ground.keep(built, who)
        if who in BUSY:
            for number in range(CROWD_SIZE):
                await built.member(f"{who}/{number}", HERE, StaffRole(who))
                await ground.last(built, f"{who}/{number}")
        uncovered = [] if all_covered else sorted(set(operations(who)) - set(covered(who)))
        code, said = await run(
            built,
            who,
            folder,
            *("--phases", phases, "--max-examples", str(examples)),
            uncovered=uncovered,
            fixed=phases == UNIT,
        )
    print(f"{who}, {phases}: {ground.share:.0%} of {ground.calls.total()} calls reached what they named")
    assert code == 0, said
    assert ground.share >= 0.6 or not ground.calls, ground.calls


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("phases", [UNIT, "stateful"])
@pytest.mark.parametrize("who", CALLERS)
async def test_nothing_is_found(who: str, phases: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await tried(who, tmp_path, monkeypatch, phases, 100, all_covered=True)


@pytest.mark.timeout(200)  # of a machine that is busy with others; an idle one takes a few seconds
@pytest.mark.parametrize("who", CALLERS)
async def test_nothing_is_found_in_a_few_tries(who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await tried(who, tmp_path, monkeypatch, UNIT, 2, all_covered=False)


@pytest.mark.timeout(200)  # of a machine that is busy with others; an idle one takes a few seconds
@pytest.mark.parametrize("who", WALKERS)
async def test_links_lead_to_what_is_there(who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await tried(who, tmp_path, monkeypatch, "stateful", 20, all_covered=True)


def test_nothing_described_is_left_out() -> None:
    assert {name for who in CALLERS for name in operations(who)} == described()
    assert {name for who in CALLERS for name in covered(who)} == described()
