"""One server under one load after another, and what each came to."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bench.load import Load, Result, Shape
from bench.subject import Subject, addresses, free_port

WARM_UP_S = 1.0
SETTLE_S = 0.3  # between two steps of a search
MAX_LOSS = 0.001  # of what is called "without loss"
STEPS = 6  # of a search: to 1 % of what it began with
TRIES = 2  # of a step: what the machine does besides now and then loses packets too


@dataclass(frozen=True, slots=True)
class Scenario:
    """`rate` × the pace of `shape` from everybody, on these servers."""

    name: str
    shape: Shape
    servers: tuple[str, ...]
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    result: Result
    cpu_s: float  # of the server, while the load ran

    @property
    def cpu_us(self) -> float:
        """Of the server, per packet that arrived behind it."""
        return self.cpu_s / max(1, self.result.arrived) * 1e6

    @property
    def core(self) -> float:
        """Share of one core that the server used."""
        return self.cpu_s / self.result.wall_s


class Session:
    """`with Session(subject, rooms, size, cpu) as session`: a server and participants, from start to end."""

    def __init__(self, subject: Subject, rooms: int, size: int, cpu: int | None) -> None:
        self.subject = subject
        self._rooms, self._size, self._cpu = rooms, size, cpu
        self._load: Load | None = None

    def __enter__(self) -> Self:
        try:
            self.subject.start(self._cpu)
            self._load = Load(self.subject.connect(self._rooms, addresses(free_port()), self._size))
        except BaseException:
            self.subject.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._load = None
        self.subject.stop()

    def run(self, shape: Shape, rate: float, seconds: float, warm_up_s: float = WARM_UP_S) -> Trial:
        load = self._load
        assert load is not None
        load.run(shape, warm_up_s, rate)
        load.reset()
        before = self.subject.sample()
        load.run(shape, seconds, rate)
        after = self.subject.sample()
        return Trial(load.drain(shape), after.cpu_s - before.cpu_s)

    def without_loss(self, shape: Shape, ceiling: float, seconds: float) -> Trial:
        """Search the highest rate without loss below `ceiling`, a rate at which packets are lost; return its trial."""
        over = self.run(shape, ceiling, seconds)
        reached = ceiling * over.result.arrived_s / max(1.0, over.result.offered_s)
        low, high, best = 0.4 * reached, 1.1 * reached, over
        if over.result.loss <= MAX_LOSS:
            return over  # more than the generator offers
        for _ in range(STEPS):
            rate = (low + high) / 2
            trials = (self.run(shape, rate, seconds, SETTLE_S) for _ in range(TRIES))
            clean = next((trial for trial in trials if trial.result.loss <= MAX_LOSS), None)
            if clean is None:
                high = rate
            else:
                low, best = rate, clean
        return best
