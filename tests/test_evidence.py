"""Every clause has a test, every test that is named is there, and what the report says is what came of it."""

import ast
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from tools import evidence
from tools.evidence import Row, outcomes, page, result, rows, shown_by, table

ROOT = Path(__file__).parent.parent

# the standards' own numbers, written out so that none can go missing from the table
NAMED = {
    *(
        f"HIPAA 164.312({each})"
        for each in ("a)(1", "a)(2)(i", "a)(2)(ii", "a)(2)(iii", "a)(2)(iv", "b", "c)(1", "c)(2")
    ),
    *(f"HIPAA 164.312({each})" for each in ("d", "e)(1", "e)(2)(i", "e)(2)(ii")),
    *(f"OWASP API{number}:2023" for number in range(1, 11)),
    *("ASVS 2.3.3", "ASVS 2.3.4", "ASVS 2.4.1", "ASVS 4.1.3"),
    *(f"ASVS 3.3.{number}" for number in range(1, 6)),
    *(f"ASVS 3.4.{number}" for number in range(1, 9)),
    *(f"ASVS 4.4.{number}" for number in range(1, 5)),
    *(f"ASVS 5.2.{number}" for number in range(1, 7)),
    *(f"ASVS 5.4.{number}" for number in range(1, 4)),
    *(f"ASVS 6.2.{number}" for number in range(1, 13)),
    *(f"ASVS 7.{each}" for each in ("1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "3.1", "3.2")),
    *(f"ASVS 7.{each}" for each in ("4.1", "4.2", "4.3", "4.4", "4.5", "5.1", "5.2", "5.3", "6.1", "6.2")),
    *(f"ASVS 11.{each}" for each in ("1.1", "1.2", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "4.1", "4.2", "5.1")),
    *(f"ASVS 12.{each}" for each in ("1.1", "1.2", "2.1", "2.2", "3.1", "3.2")),
    *(f"ASVS 14.{each}" for each in ("2.1", "2.8", "3.1", "3.2")),
    *(f"ASVS 16.2.{number}" for number in range(1, 6)),
    *(f"ASVS 16.{each}" for each in ("3.1", "3.2", "3.3", "3.4", "4.1", "4.2", "5.1", "5.2", "5.3", "5.4")),
    *(f"ASVS 17.{each}" for each in ("1.1", "1.2", *(f"2.{number}" for number in range(1, 9)), "3.1", "3.2")),
}


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(each.name for each in tree.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_every_clause_is_in_the_table_and_none_besides() -> None:
    assert table().keys() == NAMED


@pytest.mark.parametrize("clause", table())
def test_every_clause_has_tests_that_there_are(clause: str) -> None:
    said = table()[clause]
    assert said.keys() <= {"what", "by", "without"}
    assert shown_by(said)
    assert len(set(shown_by(said))) == len(shown_by(said))
    for test in shown_by(said):
        path, _, name = test.partition("::")
        assert (ROOT / path).is_file(), test
        assert name in functions(path), test


REPORT = """<testsuites><testsuite>
<testcase classname="tests.a.test_b" name="test_good[x]"/>
<testcase classname="tests.a.test_b" name="test_good[y]"><skipped type="pytest.skip"/></testcase>
<testcase classname="tests.a.test_b" name="test_bad"><failure/></testcase>
<testcase classname="tests.a.test_b" name="test_bad"/>
<testcase classname="tests.a.test_b" name="test_good[control]"><skipped type="pytest.xfail"/></testcase>
<testcase classname="tests.a.test_b" name="test_open"><skipped type="pytest.xfail"/></testcase>
<testcase classname="tests.a.test_b" name="test_left_out"><skipped type="pytest.skip"/></testcase>
</testsuite></testsuites>"""


def test_what_came_of_a_test_with_parameters(tmp_path: Path) -> None:
    report = tmp_path / "tests.xml"
    report.write_text(REPORT)
    found = {name: result(each) for name, each in outcomes(report).items()}
    assert found == {
        "tests/a/test_b.py::test_good": "passed",
        "tests/a/test_b.py::test_bad": "failed",
        "tests/a/test_b.py::test_open": "open",
        "tests/a/test_b.py::test_left_out": "not run",
    }


def test_a_clause_is_shown_only_if_each_of_its_tests_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"what": "w", "by": ["a", "b"]}
    monkeypatch.setattr(evidence, "table", lambda: {"X": said})
    for a, b, worst in (
        ("passed", "passed", "passed"),
        ("passed", "failed", "failed"),
        ("passed", "open", "open"),
        ("passed", "not run", "not run"),
    ):
        (row,) = rows({"a": [a], "b": [b]})
        assert row.result == worst
    (row,) = rows({"a": ["passed"]})
    assert row.result == "not run"


def test_the_page_has_a_line_for_each() -> None:
    row = Row("X", "something", "nothing of the kind", "failed", {"a": "passed", "b": "failed"})
    text = page([row], {"commit": "c", "at": datetime(2026, 11, 24, tzinfo=UTC).isoformat()})
    assert "| X | something *No such thing here: nothing of the kind.* | failed | `a`, `b` (failed) |" in text
