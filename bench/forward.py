"""What forwarding costs: the engines, the bare relays that are the limit of a core, and Janus, in one run.

Each server runs in a process of its own, pinned to one core; the load generator has another (`bench/load.py` says what
it sends and counts). Servers take turns, round after round, every other round in the other order; figures are medians
of the rounds, and ratios medians of what each round gave. The engines and Janus shake hands for real; the relay with
SRTP gets made-up keys, the bare one none.

`forward.packets` arrived per second, `cpu` is the server's per packet that arrived, `core` its share of a core,
`waited` the share of the time that it was kept from its core by others, `loss` what never arrived (`loss.worst`: in
the worst round), `delay` one-way from before the sender's system call to after the receiver's, `late` the share of
packets that left more than 1 ms after they were due, `generator.*` what the generator itself used (`cheaper`: by what
the server used; it must not be more), `unsound` packets that were not authentic, carried another sender's stamp, or
came too fast for the generator to read.

`flooded`: everybody in 400 two-party visits sends 1000-byte video as fast as the generator can. `saturated`: as fast as
most of it arrives, which is less for servers that lose themselves in asking again for what they couldn't take.
`saturated-frames`: the same in frames of four, by GSO. `clean`: as fast as with less than 0.1 % lost and 10 ms of delay
in the middle; the reference engine does that with 30 visits, where it does best; `few`, only when
asked for by name, has Janus and the native engine do so, too.

`visits`: 800 participants at 100 video and 50 audio packets a second, evenly apart, and `visits-frames`: in frames of
four; `visits-uneven`: the last packet of each frame is a byte longer, as Chromium makes them. `heavy`: 150 video
packets a second in frames of five. What GSO is worth is told by `native-without-gso` beside `native`. `light`: 120
participants at 100 + 50. `room`: one room of eight, everybody sending, as many outgoing packets a second as `visits`.

Then what bench/storm.py and bench/memory.py measure of the engine that visits run on, so that one run judges all that
is promised of it; after `--only`, if `storm` or `memory` is named.
"""

import importlib
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench import engines
from bench.figure import Figure
from bench.load import Shape
from bench.serve import EngineSubject
from bench.subject import Subject
from bench.trial import Scenario, Session, Trial, Unreached

ROUNDS, SECONDS = 5, 2.0  # of each trial; all of them take some twenty minutes
VISITS, LIGHT, PEERS = 400, 60, 30  # rooms of two
CALL = Shape()
LIGHT_CALL = replace(CALL, quantum_us=250)  # else the generator's wake-ups would cost more than the server does
VIDEO = Shape(audio_packets_s=0)
HEAVY = replace(CALL, video_packets_s=150, frame_packets=5, burst=True)
RELAYS, JANUS = ("relay", "relay-srtp"), ("janus", "janus-openssl")
UNGROUPED = "native-without-gso"  # each datagram leaves by itself
ROOM = CALL.packets_s(2 * VISITS, 2 * VISITS) / (7 * CALL.packets_s(8, 8))


@dataclass(frozen=True, slots=True)
class Stage:
    """Scenarios that the same participants can do one after the other, the gentle ones first."""

    rooms: int
    size: int
    scenarios: tuple[Scenario, ...]
    aside: bool = False  # only when it is asked for by name

    @property
    def servers(self) -> list[str]:
        return list(dict.fromkeys(server for scenario in self.scenarios for server in scenario.servers))


STAGES = (
    Stage(
        VISITS,
        2,
        (
            Scenario("visits", CALL, ("native", *RELAYS)),
            Scenario("visits-frames", replace(CALL, burst=True), ("native", UNGROUPED, *RELAYS)),
            Scenario("visits-uneven", replace(CALL, burst=True, uneven=True), ("native", *RELAYS)),
            Scenario("heavy", HEAVY, ("native", UNGROUPED, *RELAYS)),
            Scenario("flooded", VIDEO, ("native", *RELAYS), how="flooded"),
            Scenario("saturated", VIDEO, ("native", *RELAYS), how="saturated"),
            Scenario("clean", VIDEO, ("native", *JANUS), how="clean"),
            Scenario("saturated-frames", replace(VIDEO, burst=True), ("native", *RELAYS), how="saturated"),
        ),
    ),
    Stage(LIGHT, 2, (Scenario("light", LIGHT_CALL, ("native", *JANUS)),)),
    Stage(PEERS, 2, (Scenario("clean", VIDEO, ("reference",), how="clean"),)),
    Stage(PEERS, 2, (Scenario("few", VIDEO, ("native", *JANUS), how="clean"),), aside=True),
    Stage(1, 8, (Scenario("room", CALL, ("native",), ROOM),)),
)
# name: scenario and server above, scenario and server below, what of them is compared
RATIOS = {
    "forward.ratio.relay": ("saturated", "native", "saturated", "relay", "packets"),
    "forward.ratio.relay_srtp": ("saturated", "native", "saturated", "relay-srtp", "packets"),
    "forward.ratio.janus": ("clean", "native", "clean", "janus", "packets"),
    "forward.ratio.janus_openssl": ("clean", "native", "clean", "janus-openssl", "packets"),
    "forward.ratio.reference": ("clean", "native", "clean", "reference", "packets"),
    "forward.ratio.light_janus": ("light", "janus", "light", "native", "cpu"),
    "forward.ratio.room": ("room", "native", "visits", "native", "cpu"),
}
BESIDE = ("storm", "memory")  # modules whose figures are judged with ours
Trials = dict[tuple[str, str], list[Trial | None]]  # by scenario and server, one for each round


def subject(name: str) -> Subject | None:
    """Return a server by name; None, said on standard error, where it isn't there."""
    made: Subject
    try:
        if name in RELAYS:
            made = importlib.import_module("bench.relay").RelaySubject(srtp=name == "relay-srtp")
        elif name in JANUS:
            janus = importlib.import_module("bench.janus")
            missing = janus.missing()
            if missing is not None:
                raise ImportError(missing)
            made = janus.Janus(openssl=name == "janus-openssl")
        else:
            engines.make(name)
            made = EngineSubject(name)
    except (ImportError, ValueError) as error:
        print(f"{name}: skipped. {error}", file=sys.stderr)
        return None
    return made


def rounds(stages: Sequence[Stage], count: int, seconds: float, cpu: int | None) -> tuple[Trials, dict[str, Subject]]:
    """Have every server take its turn `count` times; what fails is said, and its trial is None."""
    trials: Trials = defaultdict(list)
    names = dict.fromkeys(server for stage in stages for server in stage.servers)
    subjects = {name: made for name in names if (made := subject(name)) is not None}
    for number in range(count):
        for stage in stages:
            for name in in_turn(stage.servers, number):
                if name not in subjects:
                    continue
                print(f"round {number + 1} of {count}: {stage.rooms} rooms on {name}", file=sys.stderr)
                done = dict(_turn(subjects[name], stage, seconds, cpu))
                for scenario in stage.scenarios:
                    if name in scenario.servers:
                        trials[scenario.name, name].append(done.get(scenario.name))
    return trials, subjects


def in_turn(servers: Sequence[str], number: int) -> list[str]:
    """Return the servers in the order of a round: whoever is first in one is last in the next."""
    return list(servers if number % 2 == 0 else reversed(servers))


def _turn(server: Subject, stage: Stage, seconds: float, cpu: int | None) -> Iterator[tuple[str, Trial]]:
    try:
        with Session(server, stage.rooms, stage.size, cpu) as session:
            for scenario in stage.scenarios:
                if server.name not in scenario.servers:
                    continue
                try:
                    yield scenario.name, session.measure(scenario, seconds)
                except Unreached as error:
                    print(f"{server.name}, {scenario.name}: {error}", file=sys.stderr)
    except (OSError, RuntimeError, TimeoutError) as error:
        print(f"{server.name}: {error}", file=sys.stderr)


def figures(trials: Trials, parameters: dict[str, dict[str, str | int | float]]) -> Iterator[Figure]:
    """Yield each server's figures in each scenario; `parameters` by server."""
    for (scenario, server), found in trials.items():
        done = [trial for trial in found if trial is not None]
        if not done:
            continue
        median = statistics.median
        said = {"scenario": scenario, "server": server, "runs": len(done), **parameters.get(server, {})}
        results = [trial.result for trial in done]
        yield Figure("forward.packets", median(_arrived(trial) for trial in done), "packets/s", said)
        yield Figure("forward.offered", median(result.offered_s for result in results), "packets/s", said)
        yield Figure("forward.cpu", median(trial.cpu_us for trial in done), "µs/packet", said)
        yield Figure("forward.core", median(trial.core for trial in done), "cores", said)
        yield Figure("forward.waited", median(trial.waited for trial in done), "fraction", said)
        yield Figure("forward.loss", median(result.loss for result in results), "fraction", said)
        yield Figure("forward.loss.worst", max(result.loss for result in results), "fraction", said)
        yield Figure("forward.delay.p50", median(result.p50_s * 1e3 for result in results), "ms", said)
        yield Figure("forward.delay.p99", median(result.p99_s * 1e3 for result in results), "ms", said)
        yield Figure("forward.delay.p999", median(result.p999_s * 1e3 for result in results), "ms", said)
        yield Figure("forward.late", median(result.late_share for result in results), "fraction", said)
        yield Figure("forward.generator.cpu", median(result.cpu_us for result in results), "µs/packet", said)
        yield Figure("forward.generator.core", median(result.core for result in results), "cores", said)
        yield Figure("forward.generator.cheaper", median(trial.generator for trial in done), "ratio", said)
        yield Figure("forward.unsound", float(sum(not result.sound for result in results)), "runs", said)


def ratios(trials: Trials) -> Iterator[Figure]:
    """Yield what the servers are compared by, each a median of the rounds' ratios."""
    for name, (scenario, server, other_scenario, other, of) in RATIOS.items():
        pairs = zip(trials.get((scenario, server), []), trials.get((other_scenario, other), []), strict=False)
        value = _arrived if of == "packets" else _cpu
        found = [value(one) / max(value(two), 1e-9) for one, two in pairs if one is not None and two is not None]
        if found:
            said: dict[str, str | int | float] = {"above": server, "below": other, "runs": len(found)}
            yield Figure(name, statistics.median(found), "ratio", {"scenario": scenario, **said})


def _arrived(trial: Trial) -> float:
    return trial.result.arrived_s


def _cpu(trial: Trial) -> float:
    return trial.cpu_us


def chosen(only: Sequence[str]) -> list[Stage]:
    """Return the stages with the scenarios and servers named in `only`; nothing named of either: all of them.

    Of those beside alone named there are none.
    """
    scenarios = {scenario.name for stage in STAGES for scenario in stage.scenarios}
    servers = {server for stage in STAGES for server in stage.servers}
    unknown = set(only) - scenarios - servers - set(BESIDE)
    if unknown:
        raise ValueError(f"no scenario or server {', '.join(sorted(unknown))}")
    if only and set(only) <= set(BESIDE):
        return []
    kept_scenarios, kept_servers = scenarios & set(only) or scenarios, servers & set(only) or servers
    stages = [
        replace(
            stage,
            scenarios=tuple(
                replace(scenario, servers=tuple(server for server in scenario.servers if server in kept_servers))
                for scenario in stage.scenarios
                if scenario.name in kept_scenarios
            ),
        )
        for stage in STAGES
        if not stage.aside or any(scenario.name in only for scenario in stage.scenarios)
    ]
    return [stage for stage in stages if stage.servers]


def measure(quick: bool, only: Sequence[str] = ()) -> Iterator[Figure]:
    """Yield the figures of each scenario and server, the ratios, and what is measured beside."""
    engines.need_native()
    stages, cpus = chosen(only), sorted(os.sched_getaffinity(0))
    count, seconds = (1, 0.5) if quick else (ROUNDS, SECONDS)
    if len(cpus) > 1:
        os.sched_setaffinity(0, {cpus[1]})
    try:
        trials, subjects = rounds(stages, count, seconds, cpus[0] if len(cpus) > 1 else None)
    finally:
        os.sched_setaffinity(0, cpus)
    parameters = {name: {"seconds": seconds, **made.parameters} for name, made in subjects.items()}
    yield from figures(trials, parameters)
    yield from ratios(trials)
    for name in BESIDE:
        if not only or name in only:
            yield from _beside(name, quick)


def _beside(name: str, quick: bool) -> Iterator[Figure]:
    try:
        yield from importlib.import_module(f"bench.{name}").measure(quick, bare=False)
    except (OSError, RuntimeError, TimeoutError, ExceptionGroup) as error:  # then its bars have no figure
        print(f"{name}: {error}", file=sys.stderr)
