"""Free text cannot reach a line: each `type: ignore` below is an error by its type; mypy tells if it no longer is."""

import ast
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medinova_rt import logs
from medinova_rt.errors import NotFound
from medinova_rt.ids import SeatId, VisitId
from medinova_rt.logs import SENTENCES, Line, Log, Trail, Word, code

ROOT = Path(__file__).parents[2]
PACKAGES = ("medinova_rt", "api", "signaling", "media")

# where words are made of something else than a constant, and why that is a word of ours
WORDS = {
    "medinova_rt/logs.py: error.code if isinstance(error, DomainError) else type(error).__name__",
    "medinova_rt/jobs.py: held.kind",  # our own, of the work there is
    "medinova_rt/jobs.py: job.kind",
    "medinova_rt/server.py: health.url",  # of the settings
    "medinova_rt/server.py: health.version",
    "medinova_rt/server.py: health.engine",
    "medinova_rt/server.py: health.engine_why",
    "medinova_rt/server.py: host",
    "api/middleware.py: method",  # HTTP's own, one by one
    "api/middleware.py: resource.canonical",  # the template of the route
}


@pytest.fixture(autouse=True)
def level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def dropped() -> dict[str, int]:
    return dict(logs.counters())


def test_a_line_has_a_listed_sentence_and_fields_of_their_types(caplog: pytest.LogCaptureFixture) -> None:
    before = dropped()
    Log("x").info("a session failed", visit=VisitId("vis-1"), seat=SeatId("sea-2"), addresses=[Word("::1")], status=200)
    (line,) = caplog.records
    assert isinstance(line, Line)
    assert line.getMessage() == "a session failed"
    assert line.fields == {"visit": "vis-1", "seat": "sea-2", "addresses": ("::1",), "status": 200}
    assert dropped() == before


def test_a_sentence_that_is_not_listed_is_a_type_error_and_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    before = dropped()
    name = "Ben"
    Log("x").info("Ben joined")  # type: ignore[arg-type]
    Log("x").warning(f"{name} joined")  # type: ignore[arg-type]
    assert [line.getMessage() for line in caplog.records] == ["a line that is not listed"] * 2
    assert dropped() == {**before, "dropped.sentences": before["dropped.sentences"] + 2}


def test_text_in_a_field_is_a_type_error_and_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    before = dropped()
    log, text = Log("x"), "Ben"
    log.info("ready", visit=text)  # type: ignore[arg-type]
    log.info("ready", code=text)  # type: ignore[arg-type]
    log.info("ready", route=text)  # type: ignore[arg-type]
    log.info("ready", request=text)  # type: ignore[arg-type]
    log.info("ready", count=text)  # type: ignore[arg-type]
    log.info("ready", addresses=[text])  # type: ignore[list-item]
    log.info("ready", addresses=text)  # type: ignore[arg-type]
    log.info("ready", name=text)  # type: ignore[call-arg]
    assert [vars(line)["fields"] for line in caplog.records] == [{}] * 8
    assert dropped() == {**before, "dropped.fields": before["dropped.fields"] + 8}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("visit", VisitId("Ben")),
        ("visit", VisitId("vis-Ben")),
        ("visit", VisitId("vis-1\nvis-2")),
        ("visit", VisitId("sea-1")),
        ("visit", VisitId("vis-" + "1" * 37)),
        ("request", Trail("Ben")),
        ("request", Trail("1" * 31)),
        ("request", Trail("1" * 32 + "\n")),
        ("trace", Trail("4539 1488 0343 6467")),
        ("count", object()),
    ],
)
def test_an_id_is_of_its_form_or_dropped(caplog: pytest.LogCaptureFixture, field: str, value: Any) -> None:
    before = dropped()["dropped.fields"]
    more: Any = {field: value}
    Log("x").info("ready", **more)
    assert vars(caplog.records[0])["fields"] == {}
    assert dropped()["dropped.fields"] == before + 1


def test_a_word_is_short_and_printable_ascii() -> None:
    assert Word("a\r\nb\x1b[2J\u2028\u202ec\x7fé") == "a??b?[2J??c??"
    assert len(Word("x" * 10_000)) == logs.MAX_WORD


def test_of_what_was_raised_the_code_or_type_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert code(NotFound("there is no Ben")) == "not-found"
    assert code(KeyError("Ben")) == "KeyError"
    try:
        raise KeyError("Ben")
    except KeyError:
        Log("x").exception("a request failed")
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[0] is KeyError


def test_a_line_below_the_level_costs_nothing_and_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    Log("x").info("request", duration_ms=math.pi)
    assert caplog.records == []


# --- every line that the code writes ----------------------------------------------------------------------------------


def calls(function: str, package: str) -> Iterator[tuple[str, ast.Call]]:
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(function):
                yield str(file.relative_to(ROOT)), node


@pytest.mark.parametrize("package", PACKAGES)
def test_every_line_is_a_listed_sentence(package: str) -> None:
    for file, call in calls("log.", package):
        (message,) = call.args[:1]
        assert isinstance(message, ast.Constant), f"{file}:{call.lineno}"
        assert message.value in SENTENCES, f"{file}:{call.lineno}"
        assert len(call.args) == 1 or ast.unparse(call.func) == "log.exception", f"{file}:{call.lineno}"


def test_every_sentence_is_said_somewhere() -> None:
    said = {ast.literal_eval(call.args[0]) for package in PACKAGES for _, call in calls("log.", package)}
    assert said == SENTENCES - {"a line that is not listed"}


@pytest.mark.parametrize("package", ["medinova_rt", "api", "signaling"])
def test_nobody_goes_past_it(package: str) -> None:
    """`logging` itself is for what hands lines on."""
    may = {"medinova_rt/logs.py", "medinova_rt/operations/telemetry.py", "api/malformed.py"}
    for file in sorted((ROOT / package).rglob("*.py")):
        imported = {
            name.name
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
        }
        assert "logging" not in imported or str(file.relative_to(ROOT)) in may, file


def test_media_says_sentences_and_nothing_else() -> None:
    for file, call in calls("log.", "media"):
        assert not call.keywords, f"{file}:{call.lineno}"


def test_words_are_ours() -> None:
    made = set()
    for package in PACKAGES:
        for file, call in calls("Word", package):
            (text,) = call.args
            if ast.unparse(call.func) == "Word" and not isinstance(text, ast.Constant):
                made.add(f"{file}: {ast.unparse(text)}")
    assert made == WORDS
