"""The relays as servers under test: the limit of one core without crypto, and with it.

`relay` passes each datagram to the other address of its pair as it is; it gets plain RTP, so that the generator can
send more than it forwards. `relay-srtp` unprotects and protects RTP with the engine's own crypto and does nothing else:
no RTCP, history, or lookup beyond the address. Neither shakes hands: the keys are made up here and given to both sides.
"""

import importlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from bench.leg import Leg, Receiving, Sending
from bench.participant import make_keys
from bench.serve import START_S, sending, sources
from bench.subject import Sample, sample
from media.engine import Address, IceCredentials, SrtpKeys

_Pair = tuple[Address, Address, tuple[SrtpKeys, SrtpKeys] | None]


class RelaySubject:
    """Raises ImportError where the native engine is not built. `address` is there once `connect` was called."""

    address: Address

    def __init__(self, *, srtp: bool) -> None:
        importlib.import_module("media._engine")
        self.name = "relay-srtp" if srtp else "relay"
        self._srtp = srtp
        self.parameters: dict[str, str | int | float] = {}
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def start(self, cpu: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, cpu), daemon=True)
        self._process.start()
        theirs.close()

    def connect(self, rooms: int, addresses: Iterator[Address], size: int = 2) -> list[Leg]:
        if size != 2:
            raise ValueError("a relay has pairs only")
        assert self._pipe is not None
        pairs, people = list[_Pair](), list[tuple[Address, SrtpKeys]]()
        for _ in range(rooms):
            first, second = next(addresses), next(addresses)
            one, other = make_keys(), make_keys()
            pairs.append((first, second, (one, other) if self._srtp else None))
            people += [(first, one), (second, other)]
        self._pipe.send(pairs)
        if not self._pipe.poll(START_S):
            raise TimeoutError("the relay does not answer")
        remote = self.address = self._pipe.recv()
        return [_leg(number, local, remote, keys, self._srtp) for number, (local, keys) in enumerate(people)]

    def sample(self) -> Sample:
        assert self._process is not None
        assert self._process.pid is not None
        return sample(self._process.pid)

    def counters(self) -> dict[str, int]:
        """Return what it has counted so far; once there are pairs, or connecting none was asked for."""
        assert self._pipe is not None
        self._pipe.send(None)
        counters: dict[str, int] = self._pipe.recv()
        return counters

    def stop(self) -> None:
        if self._process is None or self._pipe is None:
            return
        self._pipe.close()  # the relay stops at the end of its input
        self._process.join(5)
        self._process.kill()
        self._process = self._pipe = None


def _leg(number: int, local: Address, remote: Address, keys: SrtpKeys, sealed: bool) -> Leg:
    ice = IceCredentials(f"server{number}", "nobody-looks-at-this", f"client{number}")
    other = number ^ 1
    sends: tuple[Sending, ...] = tuple(sending(source) for source in sources(number))
    receives = tuple(Receiving(source.kind, source.ssrc, source.payload_type, other) for source in sources(other))
    return Leg(local, remote, ice, keys, sends, receives, sealed)


def _serve(pipe: Connection, cpu: int | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    relay = importlib.import_module("media._engine").Relay(["127.0.0.1"], 0)
    try:
        for first, second, keys in pipe.recv():
            relay.add_pair(first, second, keys)
        relay.start()
        pipe.send(relay.address())
        while pipe.recv() is None:
            pipe.send(relay.counters())
    except EOFError:
        pass
    finally:
        relay.stop()
