"""Logs as JSON lines, and counters: what an operator sees, without a word of what people said or are called.

Our own lines are made of what `logs` allows. Of what libraries log only the place in their code is shown, since their
sentences may hold what they were given; of an exception its type and the places it passed, not its text.
"""

import asyncio
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import msgspec

from medinova_rt.logs import SENTENCES, Line, Log, code

log = Log(__name__)

OURS = frozenset({"__main__", "medinova_rt", "api", "signaling", "media"})
CHATTY = ("aiohttp", "aioice", "aiortc", "asyncio", "google", "grpc", "urllib3")
# what is so many now, among totals since start
GAUGES = frozenset(
    {
        "jobs.running",
        "media.commands_high_water",
        "media.commands_waiting",
        "media.downs",
        "media.events_high_water",
        "media.handshakes_under_way",
        "media.history_bytes",
        "media.paths",
        "media.peers",
        "media.rooms",
        "media.streams",
        "media.ufrags",
        "media.ups",
        "media.voices",
        "store.pending",
    }
)
MAX_FRAMES = 20
MAX_CAUSES = 5  # of causes of causes
MAX_NAMES = 1000  # of counters

_NAME = re.compile(r"[\w.-]{1,80}", re.ASCII)


class JsonFormatter(logging.Formatter):
    """One line of ASCII for each record: no name or text can end a line or look like another."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name if _NAME.fullmatch(record.name) else "other",
            "message": _sentence(record),
        }
        if isinstance(record, Line):
            line.update(record.fields)
        if record.exc_info and record.exc_info[1]:
            line["exception"] = _exception(record.exc_info[1])
        return msgspec.json.encode(line).decode()


def configure(level: str, stream: TextIO = sys.stderr) -> None:
    """Make `stream` (a line per event) the one place that everything logged goes to."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Log what nobody caught on `loop` as everything else; asyncio by itself would spell out texts and arguments."""
    loop.set_exception_handler(lambda _, context: _uncaught(context.get("exception")))


def watch_process() -> None:
    """The same for what ends the process, a thread, or is raised while something is thrown away."""

    def ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            _uncaught(error)

    sys.excepthook = ended
    sys.unraisablehook = lambda raised: _uncaught(raised.exc_value)
    threading.excepthook = lambda raised: _uncaught(raised.exc_value)


def _uncaught(error: BaseException | None) -> None:
    log.exception("something was raised that nobody caught", error)


class Counters:
    """Totals since start by name, e.g. `api.problem.too-fast`; names stand in the code, so their number is bounded."""

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._sources: dict[str, Callable[[], Mapping[str, int]]] = {}

    def add(self, name: str, by: int = 1) -> None:
        if name not in self._totals and not (_NAME.fullmatch(name) and len(self._totals) < MAX_NAMES):
            name = "counters.other"  # so that a name made of what somebody sent is neither shown nor kept
        self._totals[name] = self._totals.get(name, 0) + by

    def include(self, prefix: str, source: Callable[[], Mapping[str, int]]) -> None:
        """Show the totals that somebody else keeps, under `prefix.`."""
        self._sources[prefix] = source

    def snapshot(self) -> dict[str, int]:
        shown = dict(self._totals)
        for prefix, source in self._sources.items():
            shown |= {f"{prefix}.{name}": total for name, total in source().items()}
        return dict(sorted(shown.items()))


def prometheus(totals: Mapping[str, int]) -> str:
    """Return the text exposition format (version 0.0.4) of a snapshot."""
    lines = []
    for name, total in totals.items():
        metric = "medinova_" + "".join(c if c.isalnum() else "_" for c in name)
        kind, metric = ("gauge", metric) if name in GAUGES else ("counter", f"{metric}_total")
        lines.append(f"# TYPE {metric} {kind}\n{metric} {total}\n")
    return "".join(lines)


def _sentence(record: logging.LogRecord) -> str:
    if isinstance(record.msg, str) and record.msg in SENTENCES:
        return record.msg
    return f"{record.module}:{record.lineno} {record.funcName}"


def _exception(error: BaseException, depth: int = 0) -> dict[str, object]:
    """Where it passed our own code, and where it was raised."""
    frames = [
        (frame.f_globals.get("__name__", ""), line, frame) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    kept = [each for each in frames[:-1] if each[0].partition(".")[0] in OURS] + frames[-1:]
    shown: dict[str, object] = {
        "type": type(error).__name__,
        "code": str(code(error)),
        "at": [f"{module}:{line} {frame.f_code.co_name}" for module, line, frame in kept[-MAX_FRAMES:]],
    }
    if depth < MAX_CAUSES:
        if isinstance(error, BaseExceptionGroup):
            shown["among"] = [_exception(each, depth + 1) for each in error.exceptions[:MAX_CAUSES]]
        if error.__cause__:
            shown["cause"] = _exception(error.__cause__, depth + 1)
    return shown
