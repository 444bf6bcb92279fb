import ast
import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from medinova_rt.errors import NotFound
from medinova_rt.operations.telemetry import FIELDS, Counters, configure, prometheus, watch

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


def test_a_line_is_json_with_the_fields_listed(stream: io.StringIO) -> None:
    logging.getLogger("x").info("visit ended", extra={"visit": "vis-1", "count": 2, "addresses": ("a", "b")})
    (line,) = lines(stream)
    assert line.pop("at")
    assert line == {
        "level": "info",
        "logger": "x",
        "message": "visit ended",
        "visit": "vis-1",
        "count": 2,
        "addresses": ["a", "b"],
    }


def test_free_text_cannot_reach_a_line(stream: io.StringIO) -> None:
    log = logging.getLogger("x")
    log.info("joined: %s", "Ben")
    log.info("joined", extra={"patient": "Ben", "text": "Ben"})
    log.info(ValueError("Ben"))
    log.info("a\nb")
    assert "Ben" not in stream.getvalue()
    assert [line["message"] for line in lines(stream)] == ["joined: %s", "joined", "ValueError", "a\nb"]


def test_a_long_field_is_cut(stream: io.StringIO) -> None:
    logging.getLogger("x").info("y", extra={"visit": "v" * 10_000})
    assert len(str(lines(stream)[0]["visit"])) == 200


def test_an_exception_is_its_type_and_where_it_passed(stream: io.StringIO) -> None:
    try:
        try:
            raise NotFound("there is no such visit")
        except NotFound as cause:
            raise RuntimeError("Ben") from cause
    except RuntimeError:
        logging.getLogger("x").exception("failed")
    (line,) = lines(stream)
    exception = line["exception"]
    assert isinstance(exception, dict)
    assert exception["type"] == "RuntimeError"
    assert "test_telemetry.py" in exception["at"][0]
    assert exception["cause"]["text"] == "there is no such visit"
    assert "Ben" not in stream.getvalue()


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


def calls(file: Path) -> Iterator[ast.Call]:
    """Yield the calls of `log.….`"""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
            yield node


@pytest.mark.parametrize("package", ["medinova_rt", "api", "signaling", "media"])
def test_what_our_own_lines_say_reaches_the_log(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        for call in calls(file):
            (message,) = call.args  # further ones are left out of the line
            assert isinstance(message, ast.Constant), f"{file}:{call.lineno}"
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            assert given.keys() <= {"extra", "exc_info"}
            if isinstance(extra := given.get("extra"), ast.Dict):
                assert {ast.literal_eval(key) for key in extra.keys if key} <= FIELDS, f"{file}:{call.lineno}"


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
