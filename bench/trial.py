"""One server under one load after another, and what each came to."""

from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from bench.load import Load, Result, Shape
from bench.subject import Subject, addresses, free_port

WARM_UP = 1 / 3  # of the time measured, before it
OFFERED_S = 1_000_000.0  # packets, by everybody together: more than any server forwards or the generator sends
SEARCH_S = 1.0  # that a step of a search takes at most
SETTLE_S = 0.3  # between two steps of a search
MAX_LOSS, MAX_DELAY_S = 0.001, 0.01  # of what is called "without loss": more is a queue that grows until it overflows
FLOODS = 3  # the best counts: who climbs afterwards has as many tries
CLIMB = 1.2  # from one offered rate to the next
PRECISION = 0.02  # of a search that takes a second for each step; less time, less precision
LEAST = 0.1  # of what a server can forward: where a search for what it does without loss gives up
TRIES = 2  # of a step: what the machine does besides now and then loses packets too


How = Literal["paced", "flooded", "saturated", "clean"]


class Unreached(Exception):
    """At no rate does the server do what the scenario asks. Its other scenarios go on."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`shape` from everybody on these servers: at `rate` times its pace, or as fast as `how` says."""

    name: str
    shape: Shape
    servers: tuple[str, ...]
    rate: float = 1.0
    how: How = "paced"


@dataclass(frozen=True, slots=True)
class Trial:
    result: Result
    cpu_s: float  # of the server, while the load ran
    waited_s: float = 0.0  # of its busiest thread: it could have run, and its core had others to run

    @property
    def cpu_us(self) -> float:
        """Of the server, per packet that arrived behind it."""
        return self.cpu_s / max(1, self.result.arrived) * 1e6

    @property
    def clean(self) -> bool:
        """Whether the server could go on like that; the delay is the median."""
        return self.result.loss <= MAX_LOSS and self.result.p50_s <= MAX_DELAY_S

    @property
    def core(self) -> float:
        """Share of one core that the server used."""
        return self.cpu_s / self.result.wall_s

    @property
    def waited(self) -> float:
        """Share of the time that the server was kept from its core."""
        return self.waited_s / self.result.wall_s

    @property
    def generator(self) -> float:
        """What the generator used, by what the server used."""
        return self.result.cpu_s / max(self.cpu_s, 1e-9)


class Session:
    """`with Session(subject, rooms, size, cpu) as session`: a server and participants, from start to end."""

    def __init__(self, subject: Subject, rooms: int, size: int, cpu: int | None) -> None:
        self.subject = subject
        self._rooms, self._size, self._cpu = rooms, size, cpu
        self._load: Load | None = None
        self._done: dict[tuple[How, Shape], Trial] = {}  # what searches begin with

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

    def run(self, shape: Shape, rate: float, seconds: float, warm_up_s: float) -> Trial:
        load = self._load
        assert load is not None
        load.run(shape, warm_up_s, rate)
        load.reset()
        before = self.subject.sample()
        load.run(shape, seconds, rate)
        after = self.subject.sample()
        return Trial(load.drain(shape), after.cpu_s - before.cpu_s, after.waited_s(before))

    def measure(self, scenario: Scenario, seconds: float) -> Trial:
        """Raises Unreached where the scenario asks for no loss, and there is none without."""
        if scenario.how == "paced":
            return self.run(scenario.shape, scenario.rate, seconds, WARM_UP * seconds)
        return self._search(scenario.how, scenario.shape, min(seconds, SEARCH_S))

    def _search(self, how: How, shape: Shape, seconds: float) -> Trial:
        """Each kind of search begins with what the one before it found; none is done twice."""
        if (how, shape) not in self._done:
            if how == "flooded":
                floods = [self._offer(shape, OFFERED_S, seconds) for _ in range(FLOODS)]
                found = max(floods, key=lambda one: one.result.arrived_s)
            elif how == "saturated":
                found = self._saturate(shape, self._search("flooded", shape, seconds), seconds)
            else:
                found = self._without_loss(shape, self._search("saturated", shape, seconds), seconds)
            self._done[how, shape] = found
        return self._done[how, shape]

    def _saturate(self, shape: Shape, flood: Trial, seconds: float) -> Trial:
        """Return the trial in which most arrived.

        Servers that are flooded may forward less than they can, because they ask again for what they couldn't take.
        """
        best, reached_s, step = flood, flood.result.arrived_s, CLIMB
        while step > 1 + PRECISION / seconds and reached_s * step < flood.result.offered_s:
            trial = self._offer(shape, reached_s * step, seconds)
            if trial.result.arrived_s > best.result.arrived_s:
                best, reached_s = trial, reached_s * step
            else:
                step = step**0.5  # that was too far
        return best

    def _without_loss(self, shape: Shape, most: Trial, seconds: float) -> Trial:
        """Return the trial at the highest rate without loss; `most` itself where the generator can't offer more."""
        if most.clean:
            return most
        best: Trial | None = None
        low, high = LEAST * most.result.arrived_s, 1.1 * most.result.arrived_s
        while high - low > PRECISION / seconds * high:
            offered_s = (low + high) / 2
            trials = (self._offer(shape, offered_s, seconds) for _ in range(TRIES))
            good = next((trial for trial in trials if trial.clean), None)
            if good is None:
                high = offered_s
            else:
                low, best = offered_s, good
        if best is None:
            raise Unreached(f"something is lost, or waits, even at {LEAST} of what it can forward")
        return best

    def _offer(self, shape: Shape, offered_s: float, seconds: float) -> Trial:
        """Have everybody together send so many packets a second."""
        people = self._rooms * self._size
        return self.run(shape, offered_s / shape.packets_s(people, people), seconds, SETTLE_S)
