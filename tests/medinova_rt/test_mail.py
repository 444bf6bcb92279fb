import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from medinova_rt import documents, jobs, mail, texts
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.errors import BadInput, Unavailable
from medinova_rt.ids import ClinicId
from medinova_rt.jobs import MAX_ATTEMPTS, MAX_RUNNING, Jobs, State
from medinova_rt.mail import AGAIN, LIFE, MAIL_JOB, PARAMETERS, Mail, Template, letter, moment
from medinova_rt.ports import MAX_TRANSACT_WRITES, Insert, Letter
from medinova_rt.users import normal_email

CLINIC = ClinicId("cli-1")
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
TO = "robin@example.org"
CODE = {"code": "123456", "link": "https://visits.example.org/sign-in#t"}
VALUES = {"clinic_name": "Praxis Süd", "device": "Firefox on Linux", "at": moment(NOW), **CODE}


class Post:
    """A notifier that does what its script says next, and takes the letter when that has run out."""

    def __init__(self, *script: Unavailable) -> None:
        self.script = list(script)
        self.taken: list[Letter] = []

    async def send(self, letter: Letter) -> None:
        if self.script:
            raise self.script.pop(0)
        self.taken.append(letter)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore((*mail.FINDS, *jobs.FINDS))


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def drafts(store: MemoryStore) -> int:
    return len((await store.find(mail.BY_AGE, limit=500)).rows)


async def open_jobs(store: MemoryStore) -> int:
    return len((await store.find(jobs.BY_STATE, (State.OPEN,))).rows)


async def run(runner: Jobs, sending: Mail, clock: Clock, until: datetime) -> None:
    """Do whatever falls due, minute by minute."""
    while clock.now < until:
        for taken in await runner.take(clock.now, MAX_RUNNING):
            await runner.work(taken, {MAIL_JOB: sending.deliver})
        clock.now += timedelta(minutes=1)


@pytest.mark.parametrize("template", PARAMETERS)
@pytest.mark.parametrize("language", texts.LANGUAGES)
async def test_a_letter_is_sent_in_its_language_and_gone(store: MemoryStore, template: Template, language: str) -> None:
    post = Post()
    sending, runner = Mail(store, post), Jobs(store, Clock())
    values = {name: VALUES[name] for name in PARAMETERS[template]}
    await store.transact(letter(template, TO, language, NOW, clinic=CLINIC, **values))
    (taken,) = await runner.take(NOW, 2)
    await runner.work(taken, {MAIL_JOB: sending.deliver})
    (sent,) = post.taken
    assert sent.to == TO
    assert sent.id.startswith("mai-")
    assert sent.written_at == NOW
    assert [name for name in values if values[name] not in sent.subject + sent.text] == []
    assert (await drafts(store), await open_jobs(store), sending.counters()["sent"]) == (0, 0, 1)


def test_what_is_private_is_in_the_letter_and_not_in_its_job() -> None:
    draft, sending = letter("sign-in-code", TO, "en", NOW, clinic=CLINIC, **CODE)
    assert isinstance(draft, Insert)
    assert isinstance(sending, Insert)
    assert (sending.document["kind"], sending.document["about"]) == (MAIL_JOB, {"mail": draft.id})


@pytest.mark.parametrize("values", [{}, {"code": "1"}, {**CODE, "name": "Robin"}])
def test_values_are_those_of_the_template(values: dict[str, str]) -> None:
    with pytest.raises(RuntimeError, match="code, link"):
        letter("sign-in-code", TO, "en", NOW, clinic=CLINIC, **values)


@pytest.mark.parametrize(
    "to",
    ["", "robin", "a@b@c", "a@b,c@d", "a@b\r\nBcc: c@d", "a@b\n", "<a@b>", "A <a@b>", "jürgen@b", "a@b\x00", "a @b"],
)
def test_an_address_is_one_address(to: str) -> None:
    with pytest.raises(ValueError, match="no e-mail address"):
        letter("sign-in-code", to, "en", NOW, clinic=CLINIC, **CODE)


@given(st.emails() | st.from_regex(r"[!-?A-~]{1,66}@[a-zA-Z0-9.-]{1,20}\.[a-z]{2,5}", fullmatch=True))
@example(f"{'a' * 64}@{'b.' * 92}org")
def test_whoever_has_an_account_can_be_written_to(typed: str) -> None:
    try:
        to = normal_email(typed)
    except BadInput:
        return
    assert letter("sign-in-code", to, "en", NOW, clinic=CLINIC, **CODE)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Praxis\r\nBcc: c@d", "Praxis Bcc: c@d"),
        ("Praxis\u2028Süd\x00\x85", "Praxis Süd"),
        ("{link}", "{link}"),
        ("P" * 2000, "P" * 1000),
    ],
)
def test_a_value_starts_no_line_and_fills_in_nothing(name: str, written: str) -> None:
    (draft, _) = letter("invitation", TO, "en", NOW, clinic=CLINIC, clinic_name=name, link="https://x")
    assert isinstance(draft, Insert)
    assert draft.document["parameters"]["clinic_name"] == written
    ready = mail.write(documents.decode(mail.Draft, draft.document, mail.SCHEMA, {}))
    assert ready.subject == f"{written} invites you to MediNova"


def test_an_unknown_language_is_english() -> None:
    (draft, _) = letter("sign-in-code", TO, "pt", NOW, clinic=CLINIC, **CODE)
    assert isinstance(draft, Insert)
    assert draft.document["language"] == "pt"
    assert mail.write(documents.decode(mail.Draft, draft.document, 1, {})).subject == "Your sign-in code"


async def test_a_refusal_for_good_is_dead_at_once_and_the_letter_gone(store: MemoryStore, clock: Clock) -> None:
    sending, runner = Mail(store, Post(Unavailable("no such person", permanent=True))), Jobs(store, clock)
    await store.transact(letter("sign-in-code", TO, "en", NOW, clinic=CLINIC, **CODE))
    await run(runner, sending, clock, NOW + timedelta(hours=1))
    (dead,) = await runner.dead()
    assert (dead.kind, dead.attempts, dead.error) == (MAIL_JOB, 1, "unavailable")
    assert await drafts(store) == 0
    assert sending.counters() == {"sent": 0, "failed": 0, "dead": 1}


async def test_a_server_that_is_out_for_long_gets_the_letter_in_the_end(store: MemoryStore, clock: Clock) -> None:
    post = Post(*[Unavailable("out")] * (2 * MAX_ATTEMPTS + 3))
    sending, runner = Mail(store, post), Jobs(store, clock)
    await store.transact(letter("sign-in-code", TO, "en", NOW, clinic=CLINIC, **CODE))
    await run(runner, sending, clock, NOW + timedelta(hours=3))
    assert len(post.taken) == 1
    assert (await drafts(store), await open_jobs(store), await runner.dead()) == (0, 0, [])
    assert sending.counters() == {"sent": 1, "failed": 2 * MAX_ATTEMPTS + 3, "dead": 0}


async def test_what_never_leaves_is_dropped_after_a_day(store: MemoryStore, clock: Clock) -> None:
    post = Post(*[Unavailable("out")] * 10_000)
    sending, runner = Mail(store, post), Jobs(store, clock)
    await store.transact(letter("sign-in-code", TO, "en", NOW, clinic=CLINIC, **CODE))
    await run(runner, sending, clock, NOW + LIFE - timedelta(minutes=1))
    assert await drafts(store) == 1
    await run(runner, sending, clock, NOW + LIFE + 2 * AGAIN)
    assert (await drafts(store), await open_jobs(store), len(await runner.dead())) == (0, 0, 1)
    assert sending.counters()["dead"] == 1


async def test_a_repeat_after_a_crash_has_the_same_id(store: MemoryStore, clock: Clock) -> None:
    post = Post()
    draft, sending = letter("sign-in-code", TO, "en", NOW, clinic=CLINIC, **CODE)
    await store.transact([draft, sending])
    (taken,) = await Jobs(store, clock).take(NOW, 1)
    assert isinstance(draft, Insert)
    await post.send(mail.write(documents.decode(mail.Draft, draft.document, 1, {})))
    await Mail(store, post).deliver(taken[0], NOW)
    first, second = post.taken
    assert first == second
    await Mail(store, post).deliver(taken[0], NOW)
    assert len(post.taken) == 2


async def test_an_overtaken_runner_is_no_failure(store: MemoryStore, clock: Clock) -> None:
    post = Post()
    await store.transact(letter("sign-in-code", TO, "en", NOW, clinic=CLINIC, **CODE))
    ((job, _),) = await Jobs(store, clock).take(NOW, 1)
    await asyncio.gather(Mail(store, post).deliver(job, NOW), Mail(store, post).deliver(job, NOW))
    first, second = post.taken
    assert first == second
    assert await drafts(store) == 0


async def test_letters_without_a_job_are_swept_up(store: MemoryStore) -> None:
    sending = Mail(store, Post())
    for number in range(MAX_TRANSACT_WRITES + 1):
        lost, _ = letter("sign-in-code", f"robin{number}@example.org", "en", NOW, clinic=CLINIC, **CODE)
        await store.transact([lost])
    old = NOW + LIFE + AGAIN
    fresh, _ = letter("sign-in-code", TO, "en", old, clinic=CLINIC, **CODE)
    await store.transact([fresh])
    swept = [(await sending.sweep(now), await drafts(store)) for now in (old, *[old + timedelta(seconds=1)] * 3)]
    assert swept == [(False, 102), (True, 2), (False, 1), (False, 1)]
    assert sending.counters()["dead"] == MAX_TRANSACT_WRITES + 1


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("UTC", "2026-11-24 10:00 (UTC)"),
        ("Europe/Madrid", "2026-11-24 11:00 (Europe/Madrid)"),
        ("America/Los_Angeles", "2026-11-24 02:00 (America/Los_Angeles)"),
    ],
)
def test_a_moment_is_told_where_the_reader_lives(zone: str, written: str) -> None:
    assert moment(NOW, zone) == written
