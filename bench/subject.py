"""A server under test: what a scenario needs of it, whoever wrote it.

It runs in a process of its own on one core. Fake participants connect to it, each from an address of its own, and what
comes of that are legs, by which the load generator sends and receives.
"""

import itertools
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.leg import Leg
from media.engine import Address


@dataclass(frozen=True, slots=True)
class Sample:
    cpu_s: float  # user and system, of all threads, since start
    packets: int | None = None  # forwarded since start, as the server itself counts; None: it doesn't


class Subject(Protocol):
    """One server, from its start to its end; `name` is what figures call it."""

    name: str
    parameters: dict[str, str | int | float]  # of its figures: version, settings; all there once it has started

    def start(self, cpu: int | None) -> None:
        """Start it on this core (None: on any), and wait until it answers."""
        ...

    def connect(self, rooms: int, addresses: Iterator[Address], size: int = 2) -> list[Leg]:
        """Connect `rooms` × `size` participants, everybody in a room receiving all others; raises when one can't.

        Each takes an address for each leg it has. Legs are in the order of participants, so that in rooms of two
        the first speaks with the second. What can't make rooms of more than two raises ValueError.
        """
        ...

    def sample(self) -> Sample: ...

    def stop(self) -> None:
        """End it and everything it left; idempotent."""
        ...


def addresses(port: int) -> Iterator[Address]:
    """Return loopback addresses without end, one for each leg, all with one port: 127.1.0.1, 127.1.0.2, …"""
    for number in itertools.count(1):
        yield f"127.1.{number >> 8}.{number & 0xFF}", port


def free_port() -> int:
    """Return a UDP port that is free on every address just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("0.0.0.0", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_s(pid: int) -> float:
    """Return what all threads of a process have used, to the nanosecond where the kernel says it so."""
    return _scheduled_s(pid, 0)


def waited_s(pid: int) -> float:
    """Return how long all threads of a process were kept from their core, because it had others to run."""
    return _scheduled_s(pid, 1)


def _scheduled_s(pid: int, field: int) -> float:
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += int((task / "schedstat").read_text().split()[field])
        except FileNotFoundError:  # the thread ended just now
            continue
    return found / 1e9
