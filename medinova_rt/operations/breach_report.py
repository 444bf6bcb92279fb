"""The report of `medinova audit report`, as text for people, as CSV for a spreadsheet, as lines of JSON for programs.

Each starts with the acts, oldest first, and ends with who was affected.
"""

import csv
import io
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from medinova_rt.audit import Record
from medinova_rt.breach import Question, Summary, Touched
from medinova_rt.ports import encode_instant

Say = Callable[[str], None]
Row = Mapping[str, object]

COLUMNS = (
    *("kind", "id", "at", "actor_kind", "actor", "session", "address", "action", "outcome", "patient", "visit"),
    *("count", "denied", "first", "last"),
)


async def tell(question: Question, acts: AsyncIterable[Record], form: str, say: Say) -> Summary:
    """`form`: text, csv or json."""
    summary = Summary()
    if form == "csv":
        say(_csv(COLUMNS))
    if form == "text":
        say(f"Who saw what at {question.clinic}, {_moment(question.start)} to {_moment(question.end)} (UTC)")
        said = {"user": question.user, "session": question.session, "address": question.address}
        said |= {"patient": question.patient}
        say("  of " + (", ".join(f"{name} {value}" for name, value in said.items() if value) or "everybody"))
        say("")
    async for record in acts:
        summary.add(record)
        say(_act_as_text(record) if form == "text" else _as(form, _act(record)))
    if form == "text":
        for line in _ending(summary):
            say(line)
    else:
        for row in _affected(summary):
            say(_as(form, row))
    return summary


def _as(form: str, row: Row) -> str:
    if form == "json":
        return msgspec.json.encode(row).decode()
    return _csv("" if row.get(name) is None else row[name] for name in COLUMNS)


def _act(record: Record) -> Row:
    fields = ("id", "actor_kind", "actor", "session", "address", "action", "outcome", "patient", "visit")
    return {"kind": "act", "at": encode_instant(record.at), **{name: getattr(record, name) for name in fields}}


def _affected(summary: Summary) -> Iterable[Row]:
    for kind, found in (("patient", summary.patients), ("visit", summary.visits)):
        for each in _sorted(found):
            row: dict[str, object] = {"kind": kind, "id": each.id, "count": each.count, "denied": each.denied}
            yield row | {"first": encode_instant(each.first), "last": encode_instant(each.last)}


def _act_as_text(record: Record) -> str:
    whom = " ".join(each for each in (record.patient, record.visit, record.seat, record.about, record.user) if each)
    where = f" from {record.address}" if record.address else ""
    refused = "" if record.outcome == "done" else f" ({record.outcome})"
    return f"{_moment(record.at)}  {record.actor_kind} {record.actor}{where}: {record.action}{refused}  {whom}".rstrip()


def _ending(summary: Summary) -> Iterable[str]:
    yield ""
    yield f"{summary.records} acts. Patients of whom something was seen or changed: {summary.affected}."
    for title, found in (("patients", summary.patients), ("visits", summary.visits)):
        if found:
            yield ""
            yield f"{title:<32}  acts  refused  first                last"
        for each in _sorted(found):
            yield f"{each.id:<32}  {each.count:>4}  {each.denied:>7}  {_moment(each.first)}  {_moment(each.last)}"


def _sorted(found: Mapping[str, Touched]) -> list[Touched]:
    return sorted(found.values(), key=lambda each: (each.first, each.id))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _csv(values: Iterable[object]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(values)
    return written.getvalue()
