"""Numbers, loss, jitter and layers of what one line sends."""

import pytest

from bench.sources import OPUS, VP8
from media.engine import PeerId, UpId, UpParameters
from media.rtcp import SenderReport
from media.rtp import Packet, pack_header
from media.uptrack import LOST_S, UpStream, UpTrack


def track(kind: str = "video", rids: tuple[str, ...] = ()) -> UpTrack:
    codecs = {96: VP8} if kind == "video" else {111: OPUS}
    return UpTrack(UpId(1), PeerId(1), UpParameters(kind, "1", codecs, {97: 96}, {}, rids))  # type: ignore[arg-type]


def packet(sequence: int, timestamp: int = 0) -> Packet:
    return Packet(pack_header(0, 96, sequence, timestamp, 7) + b"x")


def receive(stream: UpStream, numbers: list[int], *, repaired: bool = False) -> list[int | None]:
    out: list[int | None] = []
    for number in numbers:
        arrived = packet(number)
        out.append(arrived.seq - 0x10000 if stream.receive(arrived, 1.0, repaired=repaired) else None)
    return out


@pytest.mark.parametrize(
    ("numbers", "seqs"),
    [
        ([5, 6, 8, 7], [5, 6, 8, 7]),
        ([65534, 65535, 0, 1], [65534, 65535, 65536, 65537]),
        ([0, 65535], [0, -1]),
        ([5, 5 + 1024, 6], [5, 1029, 6]),
        ([5, 3000, 6], [5, None, 6]),  # a stray number is dropped …
        ([5, 3000, 3001, 3002], [5, None, 3001, 3002]),  # … two in a row are the sender beginning anew
        ([30000, 100, 101, 102], [30000, None, 65637, 65638]),  # always upwards
        ([5, 3000, 6, 3001, 7], [5, None, 6, None, 7]),
    ],
)
def test_numbers_are_unwrapped(numbers: list[int], seqs: list[int | None]) -> None:
    assert receive(track().latch("", 7), numbers) == seqs


def test_a_repair_neither_begins_nor_restarts_a_stream() -> None:
    stream = track().latch("", 7)
    assert receive(stream, [5], repaired=True) == [None]
    receive(stream, [5])
    assert receive(stream, [3000, 3001, 3002], repaired=True) == [None] * 3


@pytest.mark.parametrize(
    ("numbers", "lost", "fraction"),
    [([1, 2, 3, 4], 0, 0), ([1, 4], 2, 128), ([1, 3, 2], 0, 0), ([1, 2, 3, 8], 4, 128), ([65535, 1], 1, 85)],
)
def test_losses_in_reports(numbers: list[int], lost: int, fraction: int) -> None:
    stream = track().latch("", 7)
    receive(stream, numbers)
    block = stream.report_block(2.0)
    assert (block.ssrc, block.packets_lost, block.fraction_lost) == (7, lost, fraction)
    assert block.highest_sequence == max(numbers) if 65535 not in numbers else block.highest_sequence == 0x10001
    assert stream.report_block(3.0).fraction_lost == 0  # since then nothing


def test_repairs_are_no_receptions() -> None:
    stream = track().latch("", 7)
    receive(stream, [1, 4])
    receive(stream, [2, 3], repaired=True)
    assert stream.report_block(2.0).packets_lost == 2


@pytest.mark.parametrize(("late_s", "jitter"), [(0.0, 0), (0.01, 300)])
def test_jitter_is_in_timestamp_units(late_s: float, jitter: int) -> None:
    stream = track().latch("", 7)
    for number in range(200):
        stream.receive(packet(number, number * 3000), number / 30 + late_s * (number % 2), repaired=False)
    # every step between neighbours differs by 10 ms = 900 units; the average of |D| tends to it
    assert stream.report_block(9.0).jitter == pytest.approx(3 * jitter, rel=0.05)


def test_a_report_names_the_last_sender_report() -> None:
    stream = track().latch("", 7)
    receive(stream, [1])
    assert stream.report_block(2.0).last_sender_report == 0
    stream.sender_report, stream.reported_at = SenderReport(7, 0x0001_2345_6789_0000, 0, 0, 0), 3.0
    block = stream.report_block(3.5)
    assert (block.last_sender_report, block.delay) == (0x2345_6789, 32768)


@pytest.mark.parametrize(
    ("sent_at", "rid", "chosen"),
    [
        ({"q": 9.0, "f": 9.0}, None, "f"),
        ({"q": 9.0, "f": 9.0 - LOST_S}, None, "q"),
        ({"q": 1.0, "h": 1.0}, None, "h"),  # all silent: the highest there is
        ({"q": 9.0, "f": 9.0}, "q", "q"),
        ({"q": 9.0}, "f", None),
        ({}, None, None),
    ],
)
def test_which_layer(sent_at: dict[str, float], rid: str | None, chosen: str | None) -> None:
    line = track(rids=("q", "h", "f"))
    for ssrc, (name, at) in enumerate(sent_at.items()):
        line.latch(name, ssrc).last_at = at
    stream = line.choose(rid, 9.0)
    assert (stream and stream.rid) == chosen
