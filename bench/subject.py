"""A server under test: what a scenario needs of it, whoever wrote it.

It runs in a process of its own on one core. Fake participants connect to it, each from an address of its own, and what
comes of that are legs, by which the load generator sends and receives.
"""

import itertools
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.leg import Leg
from media.engine import Address


@dataclass(frozen=True, slots=True)
class Sample:
    cpu_s: float  # user and system, of all threads, since start
    packets: int | None = None  # forwarded since start, as the server itself counts; None: it doesn't
    threads: Mapping[int, tuple[float, float]] = field(default_factory=dict)  # s that each ran, and waited for its core

    def waited_s(self, before: "Sample") -> float:
        """Return how long that thread was kept from its core since `before` which has run most since then."""
        ran = {thread: ran - before.threads.get(thread, (0.0, 0.0))[0] for thread, (ran, _) in self.threads.items()}
        busiest = max(ran, key=lambda thread: ran[thread], default=None)
        if busiest is None:
            return 0.0
        return self.threads[busiest][1] - before.threads.get(busiest, (0.0, 0.0))[1]


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


def sample(pid: int) -> Sample:
    """Return what a process has used so far, to the nanosecond where the kernel says it so."""
    threads = _threads(pid)
    return Sample(sum(ran for ran, _ in threads.values()), threads=threads)


def waited_s(pid: int) -> float:
    """Return how long all threads of a process were kept from their core, because it had others to run."""
    return sum(waited for _, waited in _threads(pid).values())


def _threads(pid: int) -> dict[int, tuple[float, float]]:
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            ran, waited, _ = (task / "schedstat").read_text().split()
        except FileNotFoundError:  # the thread ended just now
            continue
        found[int(task.name)] = int(ran) / 1e9, int(waited) / 1e9
    return found
