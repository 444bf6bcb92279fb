"""Logs as JSON lines, and counters: what an operator sees, without a word of what people said or are called.

A line holds the *template* of its message, never the arguments, and of `extra` only the fields listed here; of an
exception its type and the places in the code it passed, not its text. So free text cannot reach a log by mistake.
"""

import asyncio
import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from medinova_rt.errors import DomainError

log = logging.getLogger(__name__)

FIELDS = frozenset(
    {
        "action",
        "addresses",
        "attempt",
        "bytes",
        "clinic",
        "code",
        "count",
        "counter",
        "duration_ms",
        "engine",
        "engine_why",
        "event",
        "generation",
        "job",
        "kind",
        "link",
        "media_port",
        "method",
        "parent",
        "peer",
        "phase",
        "request",
        "role",
        "route",
        "seat",
        "span",
        "state",
        "status",
        "trace",
        "url",
        "version",
        "visit",
    }
)
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
MAX_FIELD = 200  # characters
MAX_FRAMES = 20


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.msg if isinstance(record.msg, str) else type(record.msg).__name__,
        }
        line |= {name: _plain(value) for name, value in vars(record).items() if name in FIELDS}
        if record.exc_info and record.exc_info[1]:
            line["exception"] = _exception(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def configure(level: str, stream: TextIO = sys.stderr) -> None:
    """Make `stream` (a line per event) the one place that everything logged goes to."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for chatty in ("aiohttp.access", "aioice", "aiortc", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Log what nobody caught on `loop` as everything else; asyncio by itself would spell out texts and arguments."""
    loop.set_exception_handler(_uncaught)


def _uncaught(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.error("something was raised that nobody caught", exc_info=context.get("exception"))


class Counters:
    """Totals since start by name, e.g. `api.problem.too-fast`; names stand in the code, so their number is bounded."""

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._sources: dict[str, Callable[[], Mapping[str, int]]] = {}

    def add(self, name: str, by: int = 1) -> None:
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


def _plain(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value[:50]]
    return str(value)[:MAX_FIELD]


def _exception(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    shown: dict[str, object] = {
        "type": type(error).__name__,
        "at": [f"{frame.filename.rsplit('/site-packages/')[-1]}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, DomainError):  # their texts are ours and hold no patient data
        shown["text"] = str(error)
    if error.__cause__:
        shown["cause"] = _exception(error.__cause__)
    return shown
