"""What the door costs: token check, access decision and audit record, of 1,000 people who repeat their tokens.

`access.cpu`: µs of CPU, of all threads of the server, that `caller.authenticate`, `access.guard` and an audit record
made durable take for one request: the median over groups of 50 requests under way at once. `token` is `known` (shown
before) or `new` (the first request of a person since the server started: the signature is checked, session and grants
are read). Whether the session was revoked is looked up for every request, as the server always does.

`access.request`: µs of CPU of the server's process for a whole request over HTTP: reading a patient's record, one's own
profile, and a bare aiohttp handler that answers as much as the latter, in turns: 1,000 connections, each from an
address of its own, 50 requests under way. `access.ratio`: to the bare handler. `access.refused`: answers that were not
200; limits and log are those of every server.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from api import call, caller
from bench.callers import Callers
from bench.figure import Figure
from medinova_rt import access, audit, config, documents, grants, patients, server, users
from medinova_rt.clinics import Clinic
from medinova_rt.grants import Grant, Kind, StaffRole
from medinova_rt.ids import ClinicId, GrantId, PatientId, new_id
from medinova_rt.operations import telemetry
from medinova_rt.patients import Patient
from medinova_rt.ports import Insert
from medinova_rt.rights import Action
from medinova_rt.sessions import Sessions, Stage

PEOPLE = 1_000
CLINICS = 50  # with 20 clinicians each, so that none reaches its ceiling
GROUP = 50  # requests under way at once
START_S = 60.0
KINDS = ("bare", "me", "patient")
PROFILE = b'{"id":"usr-06ev2x3k8m0000000000000000","name":"Dr. Amira Haddad","language":"en","zone":"Europe/London"}'


def measure(quick: bool) -> Iterator[Figure]:
    rounds, count = (2, 2_000) if quick else (5, 6_000)
    costs: dict[str, list[float]] = {"new": [], "known": []}
    spent: dict[str, list[float]] = {kind: [] for kind in KINDS}
    refused = 0
    for _ in range(rounds):
        with Door() as door:
            for token, values in costs.items():
                values.extend(door.cost(known=token == "known"))
            refused += sum(door.load(kind, PEOPLE)[1] for kind in KINDS)  # a warm-up: connections
            for kind, figures in spent.items():
                cpu_us, failed = door.load(kind, count)
                figures.append(cpu_us)
                refused += failed
    base: dict[str, str | int | float] = {"people": PEOPLE, "rounds": rounds, "group": GROUP}
    for token, values in costs.items():
        yield Figure("access.cpu", statistics.median(values), "µs", {**base, "token": token, "quantile": 0.5})
    for kind, figures in spent.items():
        yield Figure("access.request", statistics.median(figures), "µs", {**base, "kind": kind})
    for kind in KINDS[1:]:
        ratios = [ours / bare for ours, bare in zip(spent[kind], spent["bare"], strict=True)]
        yield Figure("access.ratio", statistics.median(ratios), "", {**base, "kind": kind})
    yield Figure("access.refused", refused, "answers", base)


class Door:
    """`with Door() as door`: a whole server in a process of its own, that knows 1,000 people."""

    def __enter__(self) -> "Door":
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._ports, tokens, self._paths = self._answer()
        self._callers = Callers(tokens)
        self._loop = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        return self

    def __exit__(self, *_: object) -> None:
        self._callers.close()
        self._loop.close()
        self._pipe.close()
        self._process.join(10)
        self._process.kill()

    def cost(self, *, known: bool) -> list[float]:
        """Return µs of CPU for a request, of each group."""
        costs: list[float] = self._ask("known" if known else "new")
        return costs

    def load(self, kind: str, count: int) -> tuple[float, int]:
        """Return µs of the server's CPU for each of `count` requests, and how many were not answered with 200."""
        before = self._ask("cpu")
        port = self._ports["bare" if kind == "bare" else "door"]
        failed = self._loop.run(self._callers.ask(port, self._paths[kind], count, GROUP))
        return (self._ask("cpu") - before) / count * 1e6, failed

    def _ask(self, what: str) -> Any:
        self._pipe.send(what)
        return self._answer()

    def _answer(self) -> Any:
        if not self._pipe.poll(START_S):
            raise TimeoutError("the server does not answer")
        return self._pipe.recv()


# --- the server's process -------------------------------------------------------------------------------------------


def _serve(pipe: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # where the log goes: to write it is part of it
    telemetry.configure("info")
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(pipe, Path(folder)))


async def _run(pipe: Connection, folder: Path) -> None:
    given = {"DATA": str(folder), "LISTEN_PORT": "0", "MEDIA_PORT": "0", "MEDIA_ADDRESSES": "127.0.0.1"}
    settings = config.load({f"MEDINOVA_{name}": value for name, value in given.items()})
    loop = asyncio.get_running_loop()
    async with server.running(settings, "127.0.0.1") as app, _bare() as bare_port:
        tokens, records = await _people(app)
        paths = {"bare": ["/"], "me": ["/v1/me"], "patient": [f"/v1/patients/{record}" for record in records]}
        gc.collect()
        gc.freeze()  # as `medinova serve` does
        pipe.send(({"bare": bare_port, "door": app[call.SETTINGS].listen_port}, tokens, paths))
        with contextlib.suppress(EOFError):
            while what := await loop.run_in_executor(None, pipe.recv):
                pipe.send(time.process_time() if what == "cpu" else await _cost(app, tokens, records))


@contextlib.asynccontextmanager
async def _bare() -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=PROFILE, content_type="application/json")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def _people(app: web.Application) -> tuple[list[str], list[str]]:
    """Make clinics, and in each clinicians who treat a patient; return everybody's token and their patient."""
    store, now = app[call.STORE], app[call.CLOCK]()
    where = [ClinicId(f"cli-bench-{number}") for number in range(CLINICS)]
    for each in where:
        await app[call.CLINICS].ensure(Clinic(id=each, clinic=each, name="Bench", second_factor=False))

    async def one(number: int) -> tuple[str, str]:
        clinic = where[number % CLINICS]
        user, writes = users.new_user(f"clinician{number}@example.org", "Dr. Amira Haddad", "en", "Europe/London", now)
        member = Grant(
            id=GrantId(new_id("gra", now)),
            clinic=clinic,
            user=user.id,
            kind=Kind.MEMBER,
            roles=[StaffRole.CLINICIAN],
            created_at=now,
            starts_at=now,
        )
        record = Patient(
            id=PatientId(new_id("pat", now)),
            clinic=clinic,
            created_at=now,
            given="Sam",
            family="Rivers",
            birth_date=date(1980, 2, 29),
            language="en",
            zone="Europe/London",
            number=str(number),
            treating=[user.id],
        )
        await store.transact(
            [
                *writes,
                Insert(grants.COLLECTION, member.id, documents.encode(member)),
                Insert(patients.COLLECTION, record.id, documents.encode(record)),
            ]
        )
        session, _ = await Sessions(store).open(user.id, stage=Stage.FULL, strong=True, now=now)
        return app[call.TOKENS].for_user(user.id, session.id, now), record.id

    made: list[tuple[str, str]] = []
    for first in range(0, PEOPLE, GROUP):
        made += await asyncio.gather(*(one(number) for number in range(first, first + GROUP)))
    return [token for token, _ in made], [record for _, record in made]


async def _cost(app: web.Application, tokens: Sequence[str], records: Sequence[str]) -> list[float]:
    """Return µs of CPU for each request, of each group; everybody asks once."""
    store = app[call.STORE]
    things = [patients.thing(await app[call.PATIENTS].get(PatientId(record))) for record in records]
    asked = [
        make_mocked_request("GET", f"/v1/patients/{record}", {"Authorization": f"Bearer {token}"}, app=app)
        for token, record in zip(tokens, records, strict=True)
    ]

    async def one(number: int) -> None:
        now, thing = app[call.CLOCK](), things[number]
        who = await caller.authenticate(asked[number], now)
        who = await access.guard(store, who, Action.PATIENT_READ, thing, now)
        assert thing.clinic
        await store.transact([audit.record(who, Action.PATIENT_READ, now, clinic=thing.clinic, patient=thing.patient)])

    costs = []
    for first in range(0, PEOPLE, GROUP):
        before = time.process_time()
        await asyncio.gather(*(one(number) for number in range(first, first + GROUP)))
        costs.append((time.process_time() - before) / GROUP * 1e6)
    return costs
