import asyncio
import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medinova_rt.config import SettingError, load
from medinova_rt.errors import NotFound
from medinova_rt.ids import VisitId
from medinova_rt.logs import Log, Word
from medinova_rt.operations.telemetry import Counters, configure, prometheus, watch

ROOT = Path(__file__).parents[3]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure("info", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_its_fields(stream: io.StringIO) -> None:
    Log("x").info("request", visit=VisitId("vis-1"), count=2, addresses=(Word("a"), Word("b")))
    (line,) = lines(stream)
    assert line.pop("at")
    assert line == {
        "level": "info",
        "logger": "x",
        "message": "request",
        "visit": "vis-1",
        "count": 2,
        "addresses": ["a", "b"],
    }


def test_of_what_others_write_the_place_is_shown(stream: io.StringIO) -> None:
    log, name = logging.getLogger("aiortc"), "Ben"
    log.warning("joined: %s", name)
    log.warning(f"joined: {name}")
    log.warning("joined", extra={"visit": name, "patient": name})
    log.warning(ValueError(name))
    log.warning("a\nb", extra={"code": name})
    logging.getLogger(f"of {name}\n").warning("joined")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"{name} joined", stacklevel=1)
    assert name not in stream.getvalue()
    assert all(line.keys() == {"at", "level", "logger", "message"} for line in lines(stream))
    messages = {str(line["message"]).partition(":")[0] for line in lines(stream)}
    assert messages == {"test_telemetry", "warnings"}


def test_a_sentence_of_media_is_shown(stream: io.StringIO) -> None:
    logging.getLogger("media.plane").error("a fault in the media plane", extra={"visit": "Ben"})
    (line,) = lines(stream)
    assert line["message"] == "a fault in the media plane"
    assert "visit" not in line


def test_nothing_can_end_a_line_or_look_like_another(stream: io.StringIO) -> None:
    Log("x").info("ready", url=Word('a\n{"level": "error"}\r\x1b[2J\u2028\u202e'))
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue()[:-1].isprintable()
    assert stream.getvalue().isascii()


def test_an_exception_is_its_type_and_where_it_passed(stream: io.StringIO) -> None:
    try:
        try:
            raise NotFound("there is no such Ben")
        except NotFound as cause:
            raise RuntimeError("Ben") from cause
    except RuntimeError:
        Log("x").exception("a request failed")
    (line,) = lines(stream)
    exception = line["exception"]
    assert isinstance(exception, dict)
    assert (exception["type"], exception["code"]) == ("RuntimeError", "RuntimeError")
    assert exception["at"][0].startswith("tests.medinova_rt.operations.test_telemetry:")
    assert (exception["cause"]["type"], exception["cause"]["code"]) == ("NotFound", "not-found")
    assert "Ben" not in stream.getvalue()


def test_an_exception_of_several_is_each(stream: io.StringIO) -> None:
    try:
        raise ExceptionGroup("Ben", [KeyError("Ben"), NotFound("Ben")])
    except ExceptionGroup:
        Log("x").exception("a request failed")
    exception: Any = lines(stream)[0]["exception"]
    assert [each["code"] for each in exception["among"]] == ["KeyError", "not-found"]
    assert "Ben" not in stream.getvalue()


def test_of_the_way_our_own_part_is_shown(stream: io.StringIO) -> None:
    try:
        load({"MEDINOVA_SECRET": "Ben"})
    except SettingError:
        Log("x").exception("a request failed")
    exception: Any = lines(stream)[0]["exception"]
    assert [place.partition(":")[0] for place in exception["at"]] == ["medinova_rt.config"] * len(exception["at"])


@pytest.mark.parametrize(
    "fall",
    [
        "raise RuntimeError('Ben')",
        "import threading; t = threading.Thread(target=lambda: {}['Ben']); t.start(); t.join()",
        "class X:\n def __del__(self): raise RuntimeError('Ben')\nx = X(); del x",
    ],
    ids=["main", "thread", "unraisable"],
)
def test_a_process_that_falls_over_says_no_text(fall: str) -> None:
    code = f"from medinova_rt.operations import telemetry as t; t.configure('info'); t.watch_process()\n{fall}"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    (line,) = map(json.loads, run.stderr.splitlines())
    assert line["message"] == "something was raised that nobody caught"
    assert line["exception"]["type"] in ("RuntimeError", "KeyError")
    assert "Ben" not in run.stdout + run.stderr


async def test_what_nobody_caught_is_told_without_texts_and_arguments(stream: io.StringIO) -> None:
    def fail(name: str) -> None:
        raise RuntimeError(name)

    loop = asyncio.get_running_loop()
    watch(loop)
    loop.call_soon(fail, "Ben")
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    (line,) = lines(stream)
    assert line["message"] == "something was raised that nobody caught"
    exception = line["exception"]
    assert isinstance(exception, dict)
    assert exception["type"] == "RuntimeError"
    assert "Ben" not in stream.getvalue()


def test_less_severe_lines_are_left_out(stream: io.StringIO) -> None:
    logging.getLogger("x").debug("y")
    logging.getLogger("aiohttp.access").info("y")
    assert lines(stream) == []


def test_counters_of_several_keepers() -> None:
    counters = Counters()
    counters.add("api.problem.too-fast")
    counters.add("api.problem.too-fast", 2)
    counters.include("media", lambda: {"packets": 7})
    assert counters.snapshot() == {"api.problem.too-fast": 3, "media.packets": 7}
    assert prometheus(counters.snapshot()) == (
        "# TYPE medinova_api_problem_too_fast_total counter\nmedinova_api_problem_too_fast_total 3\n"
        "# TYPE medinova_media_packets_total counter\nmedinova_media_packets_total 7\n"
    )


def test_what_may_fall_is_a_gauge() -> None:
    assert prometheus({"media.rooms": 2}) == "# TYPE medinova_media_rooms gauge\nmedinova_media_rooms 2\n"


def test_a_name_that_is_made_of_what_was_sent_is_neither_counted_nor_shown() -> None:
    counters = Counters()
    for name in ("Ben Rivers", "api.\nx", "é", "x" * 81):
        counters.add(name)
    for number in range(2000):
        counters.add(f"api.{number}")
    shown = counters.snapshot()
    assert len(shown) == 1000
    assert shown["counters.other"] == 4 + 1001
