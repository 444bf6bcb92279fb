import logging

import pytest

from api import trace
from tests.api.conftest import Door

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("parents", "continued"),
    [
        ([f"00-{ID}-{SPAN}-01"], True),
        ([f" 00-{ID}-{SPAN}-00 "], True),
        ([f"cc-{ID}-{SPAN}-01"], True),  # a later version
        ([f"cc-{ID}-{SPAN}-01-what-it-says-more"], True),
        ([f"cc-{ID}-{SPAN}-01.more"], False),
        ([f"00-{ID}-{SPAN}-01-more"], False),
        ([f"ff-{ID}-{SPAN}-01"], False),
        ([f"00-{'0' * 32}-{SPAN}-01"], False),
        ([f"00-{ID}-{'0' * 16}-01"], False),
        ([f"00-{ID.upper()}-{SPAN}-01"], False),
        ([f"00-{ID}-{SPAN}"], False),
        ([f"00-{ID}-{SPAN}-1"], False),
        ([f"00-{ID}-{SPAN}-01", f"00-{ID}-{SPAN}-01"], False),  # whose?
        (["Ben"], False),
        ([], False),
    ],
)
def test_a_trace_is_continued_or_begun(parents: list[str], continued: bool) -> None:
    begun = trace.begin(parents, ["congo=t61rcWkgMzE"])
    assert (begun.id == ID, begun.parent == SPAN, begun.state != "") == (continued,) * 3
    assert begun.span not in (SPAN, "0" * 16)
    assert trace.begin([begun.traceparent], []).id == begun.id


def test_the_flags_we_know_are_passed_on() -> None:
    assert trace.begin([f"00-{ID}-{SPAN}-ff"], []).traceparent.endswith("-03")


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        (["congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"], "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
        (["a=1", "b=2 , ,"], "a=1,b=2"),
        (["fw529a3039@dt=FfA"], "fw529a3039@dt=FfA"),
        (["A=1"], ""),
        (["a"], ""),
        (["a=1,a=2"], ""),
        (["a=é"], ""),
        ([",".join(f"k{n}=1" for n in range(33))], ""),
        (["a=" + "x" * 256, "b=" + "x" * 256], ""),
    ],
)
def test_what_others_say_of_it_is_kept_if_it_is_well_formed(states: list[str], kept: str) -> None:
    assert trace.begin([f"00-{ID}-{SPAN}-01"], states).state == kept


async def test_the_log_line_names_it_and_the_answer_does_not(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "api.middleware"):
        answer = await door.ask("GET", "/healthz", key=None, headers={"traceparent": f"00-{ID}-{SPAN}-01"})
    line = next(record for record in caplog.records if record.name == "api.middleware")
    assert (line.trace, line.parent) == (ID, SPAN)  # type: ignore[attr-defined]
    assert not {"traceparent", "tracestate", "traceresponse"} & {name.lower() for name in answer.headers}
