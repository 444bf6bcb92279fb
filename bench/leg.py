"""One connected transport of a fake participant: what whoever sends and receives its packets must know.

A participant of ours has one leg, one of Janus has two (a publisher's and a subscriber's). The handshakes are done.
"""

from dataclasses import dataclass

from media.engine import Address, IceCredentials, Kind, SrtpKeys


@dataclass(frozen=True, slots=True)
class Sending:
    """One stream that the participant sends. Extension ids are 0 where the server has not agreed to them."""

    kind: Kind
    ssrc: int
    payload_type: int
    mid: str = ""
    mid_id: int = 0
    level_id: int = 0
    send_time_id: int = 0
    transport_sequence_id: int = 0


@dataclass(frozen=True, slots=True)
class Receiving:
    """One stream that the server sends; `source` is the index, among all legs, of the leg whose stream it carries."""

    kind: Kind
    ssrc: int  # 0: whatever SSRC comes with `payload_type`
    payload_type: int
    source: int
    transport_sequence_id: int = 0  # of the transport-wide numbers in it; 0: it has none, and no feedback is given


@dataclass(frozen=True, slots=True)
class Leg:
    local: Address  # 127.1.x.y, the same port for all legs of a run
    remote: Address
    ice: IceCredentials  # as the server sees it: its local side is the server's
    keys: SrtpKeys  # as the server sees it: `up` is what the participant sends with
    sends: tuple[Sending, ...] = ()
    receives: tuple[Receiving, ...] = ()
    sealed: bool = True  # False: plain RTP, for a relay without crypto
