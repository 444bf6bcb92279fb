"""Where a request stands in a trace that began elsewhere: W3C Trace Context, and the random flag of its Level 2.

`traceparent` is `00-<trace id>-<span id of the caller>-<flags>`. What is not that begins a trace of its own, and its
`tracestate` is dropped with it. Neither is trusted for anything: they tell log lines apart, and an answer says nothing
of them, since the specification has no field for that.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from medinova_rt.logs import Trail

MAX_STATE = 512  # characters, and
MAX_MEMBERS = 32

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = re.compile(
    r"(?:[a-z0-9][a-z0-9_*/@-]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_RANDOM = 2  # flag: the trace id is random


@dataclass(frozen=True, slots=True)
class Trace:
    """`span` is ours; `parent` the caller's, if there is one."""

    id: Trail
    span: Trail
    parent: Trail | None = None
    flags: int = _RANDOM
    state: str = ""

    @property
    def traceparent(self) -> str:
        """What to send along with what is asked of others meanwhile, beside `tracestate`."""
        return f"00-{self.id}-{self.span}-{self.flags:02x}"


TRACE = web.RequestKey("trace", Trace)


def begin(parents: Sequence[str], states: Sequence[str]) -> Trace:
    """Return the span of a request with these header fields, each as often as it was sent."""
    span = Trail(secrets.token_hex(8))
    found = _PARENT.fullmatch(parents[0].strip()) if len(parents) == 1 else None
    if not found or not _is_known(*found.groups()):
        return Trace(Trail(secrets.token_hex(16)), span)
    _, trace, parent, flags, _ = found.groups()
    return Trace(Trail(trace), span, Trail(parent), int(flags, 16) & 3, _state(states))


def _is_known(version: str, trace: str, parent: str, flags: str, more: str | None) -> bool:
    """A later version may say more behind what this one says; `ff` is none."""
    return version != "ff" and trace.strip("0") != "" and parent.strip("0") != "" and not (version == "00" and more)


def _state(states: Sequence[str]) -> str:
    members = [each.strip() for line in states for each in line.split(",") if each.strip()]
    keys = {each.partition("=")[0] for each in members}
    joined = ",".join(members)
    fits = len(members) <= MAX_MEMBERS and len(joined) <= MAX_STATE and len(keys) == len(members)
    return joined if fits and all(map(_MEMBER.fullmatch, members)) else ""
