"""The lines of the log: what may stand in one is a type, so that no word of what people said or are called can.

A line is one of the sentences below, with fields whose types hold no text: ids, numbers, and words of our own. Anything
else is a type error, and should it run all the same, it is left out and counted. Of what others write with `logging`
(libraries, and `media`, which knows nothing of us) the sentence is shown if it stands here, else the place in the code
(`operations/telemetry.py`).
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NewType, TypedDict, Unpack, get_args, get_type_hints

from medinova_rt.errors import DomainError
from medinova_rt.ids import ClinicId, JobId, SeatId, VisitId

Sentence = Literal[
    "a fault in the media plane",
    "a fault with a peer's DTLS",
    "a data key cannot be unwrapped",
    "a group of transacts failed",
    "a job cannot be read",
    "a job could not be put away",
    "a job failed",
    "a job is dead",
    "a letter was not taken",
    "a line that is not listed",
    "a repeat could not be kept",
    "a request failed",
    "a session failed",
    "a session's end failed",
    "a socket failed",
    "a timer's callback failed",
    "changes made elsewhere are not heard of",
    "jobs wait for the store",
    "jobs were left unfinished; they fall due again",
    "letters were left over",
    "ready",
    "request",
    "the audit trail does not fit its checkpoints: run medinova audit verify",
    "something was raised that nobody caught",
    "stopped",
    "stopping",
    "the last checkpoint of the audit trail was not made; the next start makes it",
    "the graceful stop took too long and was cut short",
    "the key store does not answer",
    "the keys of the identity provider cannot be had",
    "the key management service does not answer",
    "the native engine has failed",
    "the store does not answer",
]
SENTENCES = frozenset(get_args(Sentence))
MAX_WORD = 200  # characters
MAX_WORDS = 50  # of one field

Trail = NewType("Trail", str)  # hexadecimal digits that tell requests apart; others than us may have chosen them


class Word(str):
    """A word of our code or of whoever set the server up, never of whom it serves; a test lists where they are made."""

    __slots__ = ()

    def __new__(cls, text: str) -> "Word":
        return super().__new__(cls, "".join(each if " " <= each <= "~" else "?" for each in text[:MAX_WORD]))


def code(error: BaseException) -> Word:
    """Say what was raised, and none of its text."""
    return Word(error.code if isinstance(error, DomainError) else type(error).__name__)


class Fields(TypedDict, total=False):
    addresses: Sequence[Word]
    attempt: int
    clinic: ClinicId
    code: Word
    collection: Word
    count: int
    duration_ms: float
    engine: Word
    engine_why: Word
    job: JobId
    kind: Word
    media_port: int
    method: Word
    parent: Trail | None
    request: Trail
    route: Word
    seat: SeatId
    span: Trail
    status: int | None
    trace: Trail
    url: Word
    version: Word
    visit: VisitId


class Line(logging.LogRecord):
    """A record whose sentence and fields have been looked at."""

    fields: Mapping[str, object]


class Log:
    """`log = Log(__name__)` in each module that has something to say."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, sentence: Sentence, **fields: Unpack[Fields]) -> None:
        self._write(logging.INFO, sentence, fields, None)

    def warning(self, sentence: Sentence, **fields: Unpack[Fields]) -> None:
        self._write(logging.WARNING, sentence, fields, None)

    def error(self, sentence: Sentence, **fields: Unpack[Fields]) -> None:
        self._write(logging.ERROR, sentence, fields, None)

    def exception(self, sentence: Sentence, raised: BaseException | None = None, **fields: Unpack[Fields]) -> None:
        """With the type of what was raised (by default, of what is being handled), and the places that it passed."""
        self._write(logging.ERROR, sentence, fields, raised or sys.exc_info()[1])

    def _write(self, level: int, sentence: str, fields: Fields, raised: BaseException | None) -> None:
        if not self._logger.isEnabledFor(level):
            return
        if sentence not in SENTENCES:
            _dropped["sentences"] += 1
            sentence = "a line that is not listed"
        told = (type(raised), raised, raised.__traceback__) if raised else None
        line = Line(self._logger.name, level, "", 0, sentence, (), told)
        line.fields = {name: plain for name, value in fields.items() if (plain := _plain(name, value)) is not None}
        vars(line).update(line.fields)  # for handlers other than ours, like that of tests
        self._logger.handle(line)


_dropped = {"sentences": 0, "fields": 0}


def counters() -> Mapping[str, int]:
    """What was left out since the process started, since it is not what a line may hold."""
    return {f"dropped.{what}": count for what, count in _dropped.items()}


Plain = Callable[[object], object]  # what a line shows, or None if the value is not of the field's type


def _id(prefix: str) -> Plain:
    pattern = re.compile(rf"{prefix}-[0-9a-z-]{{1,36}}")
    return lambda value: value if isinstance(value, str) and pattern.fullmatch(value) else None


_TRAIL = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _trail(value: object) -> object:
    return value if isinstance(value, str) and _TRAIL.fullmatch(value) else None


def _word(value: object) -> object:
    return str(value) if isinstance(value, Word) else None


def _words(value: object) -> object:
    each = value[:MAX_WORDS] if isinstance(value, Sequence) else ()
    return tuple(str(word) for word in each) if each and all(isinstance(word, Word) for word in each) else None


def _number(value: object) -> object:
    return value if isinstance(value, (int, float)) else None


_SHOWN: Mapping[object, Plain] = {
    ClinicId: _id("cli"),
    JobId: _id("job"),
    SeatId: _id("sea"),
    VisitId: _id("vis"),
    Trail: _trail,
    Trail | None: _trail,
    Word: _word,
    Sequence[Word]: _words,
    int: _number,
    int | None: _number,
    float: _number,
}
_FIELDS = {name: _SHOWN[kind] for name, kind in get_type_hints(Fields).items()}


def _plain(name: str, value: object) -> object:
    if value is None:
        return None
    plain = _FIELDS[name](value) if name in _FIELDS else None
    if plain is None:
        _dropped["fields"] += 1
    return plain
