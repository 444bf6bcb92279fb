"""Transport-wide feedback: when each packet of a transport arrived, for the sender's bandwidth estimate.

The packet of draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1, behind its RTCP header: a list of statuses
(lost, or received after a small or a large delta) packed into 16-bit chunks, then the deltas.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TICK_US = 250  # the unit of TransportFeedback.deltas
MAX_STATUSES = 512  # in one TransportFeedback that we build: about 1.1 kB at the worst

MAX_STATUSES_READ = 0x1FFF  # two bytes can claim that many; more is no report but an attempt to make us allocate
TOO_MANY = "transport feedback has no or too many packets"  # also of a whole compound that claims more

_REFERENCE_TICKS = 256  # 64 ms
_LOST, _SMALL, _LARGE, _RESERVED = range(4)  # symbols; a small or large delta takes as many bytes as its number
_FIELDS = struct.Struct("!IIHHI")


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """When packets of one transport arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1)."""

    sender: int
    media: int
    base_sequence: int  # 16 bits
    reference_time: int  # signed 24 bits, in 64 ms
    count: int  # of feedback packets sent, 8 bits
    deltas: tuple[int | None, ...]  # per packet from base on: 250 µs since the one received before; None: not received

    def arrivals(self) -> list[tuple[int, int | None]]:
        """Return (16-bit sequence, arrival in µs on the clock of who reports, or None) per packet."""
        tick = self.reference_time * _REFERENCE_TICKS
        found: list[tuple[int, int | None]] = []
        for offset, delta in enumerate(self.deltas):
            tick += delta or 0
            found.append((self.base_sequence + offset & 0xFFFF, None if delta is None else tick * TICK_US))
        return found


def transport_feedback(
    sender: int, media: int, count: int, arrivals: Sequence[tuple[int, int | None]]
) -> list[TransportFeedback]:
    """Report `arrivals`: (unwrapped sequence, µs or None if lost) by rising sequence; numbers left out count as lost.

    `media` must be an SSRC that the other side sends: libwebrtc drops feedback about any other without a word. Begin
    with the number after the last one reported, so that losses in front are said too. Several packets come back where
    one can't hold it (a delta beyond ±8.19 s, more than MAX_STATUSES); the next `count` is the one given plus their
    number. Losses at the end are not reported yet: what comes after may still prove them late.
    """
    reports: list[TransportFeedback] = []
    deltas: list[int | None] = []
    base = reference = last_tick = 0
    expected = arrivals[0][0] if arrivals else 0

    def close() -> None:
        if deltas:
            number = count + len(reports) & 0xFF
            reports.append(TransportFeedback(sender, media, base & 0xFFFF, _signed24(reference), number, tuple(deltas)))
            deltas.clear()

    for sequence, arrival_us in arrivals:
        if arrival_us is None:
            continue
        tick = arrival_us // TICK_US
        missing = sequence - expected
        if len(deltas) + missing >= MAX_STATUSES or not -0x8000 <= tick - last_tick <= 0x7FFF:
            close()
        if not deltas:
            if missing >= MAX_STATUSES:  # a jump, not losses
                missing = 0
            base = sequence - missing
            reference = tick // _REFERENCE_TICKS
            last_tick = reference * _REFERENCE_TICKS
        deltas += [None] * missing
        deltas.append(tick - last_tick)
        last_tick = tick
        expected = sequence + 1
    close()
    return reports


def read(body: bytes) -> TransportFeedback:
    """Return what follows the RTCP header; raises ValueError."""
    _need(body, 18)
    sender, media, base, total, reference_and_count = _FIELDS.unpack_from(body)
    if not 0 < total <= MAX_STATUSES_READ:
        raise ValueError(TOO_MANY)
    symbols: list[int] = []
    position = 16
    while len(symbols) < total:
        _need(body, position + 2)
        symbols += _read_chunk(int.from_bytes(body[position : position + 2], "big"))
        position += 2
    deltas: list[int | None] = []
    for symbol in symbols[:total]:
        if symbol == _LOST:
            deltas.append(None)
        elif symbol == _RESERVED:
            raise ValueError("transport feedback has a reserved symbol")
        else:
            _need(body, position + symbol)
            deltas.append(int.from_bytes(body[position : position + symbol], "big", signed=symbol == _LARGE))
            position += symbol
    reference, count = reference_and_count >> 8, reference_and_count & 0xFF
    return TransportFeedback(sender, media, base, _signed24(reference), count, tuple(deltas))


def _read_chunk(chunk: int) -> list[int]:
    """Return the symbols of a run-length, one-bit or two-bit chunk (§3.1.3, §3.1.4)."""
    if not chunk & 0x8000:
        return [chunk >> 13 & 3] * (chunk & 0x1FFF)
    if not chunk & 0x4000:
        return [chunk >> shift & 1 for shift in range(13, -1, -1)]
    return [chunk >> shift & 3 for shift in range(12, -1, -2)]


def write(feedback: TransportFeedback) -> bytes:
    """Return what follows the RTCP header, without padding."""
    symbols = [_symbol(delta) for delta in feedback.deltas]
    times = b"".join(
        delta.to_bytes(symbol, "big", signed=symbol == _LARGE)
        for delta, symbol in zip(feedback.deltas, symbols, strict=True)
        if delta is not None
    )
    head = _FIELDS.pack(
        feedback.sender,
        feedback.media,
        feedback.base_sequence,
        len(feedback.deltas),
        (feedback.reference_time & 0xFFFFFF) << 8 | feedback.count,
    )
    return head + b"".join(chunk.to_bytes(2, "big") for chunk in _chunks(symbols)) + times


def _symbol(delta: int | None) -> int:
    if delta is None:
        return _LOST
    return _SMALL if 0 <= delta <= 0xFF else _LARGE


def _chunks(symbols: list[int]) -> Iterator[int]:
    """Choose the chunks as libwebrtc does: a run where one fits best, else 14 one-bit or 7 two-bit symbols."""
    position, end = 0, len(symbols)
    while position < end:
        rest = end - position
        window = symbols[position : position + 14]
        run = _run(symbols, position)
        small = next((at for at, symbol in enumerate(window) if symbol == _LARGE), len(window))
        if run == rest or run >= 14 or (run >= 7 and small in (0, run)):
            yield window[0] << 13 | run
            position += run
        elif small == 14 or 7 < small == rest:
            yield 0x8000 | _bits(window, 1, 14)
            position += len(window)
        else:
            yield 0xC000 | _bits(window[:7], 2, 14)
            position += len(window[:7])


def _run(symbols: list[int], position: int) -> int:
    """Return how often the symbol at `position` is repeated, 8191 at most."""
    first, end = symbols[position], min(len(symbols), position + 0x1FFF)
    return next((at for at in range(position, end) if symbols[at] != first), end) - position


def _bits(symbols: Sequence[int], width: int, total: int) -> int:
    value = 0
    for symbol in symbols:
        value = value << width | symbol
    return value << total - width * len(symbols)


def _need(body: bytes, size: int) -> None:
    if len(body) < size:
        raise ValueError("transport feedback is truncated")


def _signed24(value: int) -> int:
    return ((value & 0xFFFFFF) ^ 0x800000) - 0x800000
