"""Repair, feedback and rate, in whole calls over bad networks."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from bench.participant import NTP_AT_ZERO, make_keys, slot_parameters, up_parameters
from bench.sources import EXTENSIONS, camera, microphone
from media import rtcp, rtp
from media.endpoint import FEEDBACK_SSRC, MAX_NACKED, UNCAPPED_BPS
from media.engine import DownEstimate
from tests.media.twins import Person, Visit


def shown(visit: Visit) -> tuple[Person, Person]:
    """A viewer that sends nothing, and who it is shown."""
    viewer, other = visit.add([]), visit.add()
    visit.show(viewer, other)
    return viewer, other


# --- repair ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("up", "down"), [(0.05, 0.0), (0.0, 0.05), (0.05, 0.05)])
def test_lost_video_is_repaired_on_both_sides(make_visit: Callable[[int], Visit], up: float, down: float) -> None:
    visit = make_visit(3)
    viewer, other = shown(visit)
    visit.run(1.0)
    other.up_link.loss, viewer.down_link.loss = up, down
    visit.run(10.0)
    other.up_link.loss = viewer.down_link.loss = 0.0
    visit.run(1.0)
    received = viewer.received("v")
    span = max(received.numbers()) - min(received.numbers()) + 1
    assert len(set(received.numbers())) / span > 0.995
    assert len(received.numbers()) == len(set(received.numbers()))
    assert other.participant.counters["nacked"] > 30 if up else not other.participant.counters["nacked"]
    assert len(received.rtx) > 30 if down else True


def test_audio_is_never_asked_for_again(visit: Visit) -> None:
    viewer, other = shown(visit)
    other.source("1").muted = True
    other.up_link.loss = 0.3
    visit.run(5.0)
    assert other.participant.counters["nacked"] == 0
    assert len(viewer.packets("a")) > 100


def test_a_packet_is_sent_again_at_most_twice_and_once_a_round_trip(visit: Visit) -> None:
    viewer, _ = shown(visit)
    visit.run(2.0)
    visit.run(0.02)
    number = viewer.received("v").numbers()[-3]
    sent_at = []
    for _ in range(100):
        before = len(viewer.received("v").rtx)
        viewer.participant.send_rtcp(rtcp.Nack(1, viewer.packets("v")[0].ssrc, (number & 0xFFFF,) * 5))
        visit.run(0.005)
        sent_at += [visit.now] * (len(viewer.received("v").rtx) - before)
    assert len(sent_at) == 2
    assert sent_at[1] - sent_at[0] >= 0.02  # both ways take 10 ms


def test_repair_is_limited_to_a_fifth_of_the_slots_rate(visit: Visit) -> None:
    viewer, _ = shown(visit)
    visit.run(1.0)
    viewer.participant.asks_again = False
    received = viewer.received("v")
    ssrc = received.packets[0].ssrc
    for _ in range(100):
        newest = received.numbers()[-100:]
        viewer.participant.send_rtcp(rtcp.Nack(1, ssrc, tuple(number & 0xFFFF for number in newest)))
        visit.run(0.1)
    straight = len(received.packets) - len(received.repaired)
    assert 0.15 < len(received.rtx) / straight < 0.23
    assert visit.engine.peer_counters(viewer.peer)["nack_limited"] > 1000


def test_rtx_has_its_own_ssrc_payload_type_and_numbers(visit: Visit) -> None:
    viewer, _ = shown(visit)
    visit.run(1.0)
    numbers = viewer.received("v").numbers()[-4:]
    viewer.participant.send_rtcp(
        rtcp.Nack(1, viewer.packets("v")[0].ssrc, tuple(number & 0xFFFF for number in numbers))
    )
    visit.run(0.1)
    received = viewer.received("v")
    slot = viewer.participant.slots[received.packets[0].ssrc]
    originals = [packet for packet in received.packets if packet.seq in numbers][:4]
    assert {packet.ssrc for packet in received.rtx} == {slot.rtx_ssrc}
    assert {packet.payload_type for packet in received.rtx} == {97}
    assert [packet.sequence for packet in received.rtx] == [slot.first_sequence + n for n in range(4)]
    for again, first in zip(received.rtx, originals, strict=True):
        assert again.payload == first.sequence.to_bytes(2, "big") + first.payload
        assert (again.timestamp, again.marker) == (first.timestamp, first.marker)
        assert again.extensions()[EXTENSIONS[rtp.MID]] == b"v"


def test_what_was_not_sent_or_is_too_old_is_not_sent_again(visit: Visit) -> None:
    viewer, _ = shown(visit)
    visit.run(3.0)
    numbers = viewer.received("v").numbers()
    for number in (numbers[0], numbers[-1] + 500):
        viewer.participant.send_rtcp(rtcp.Nack(1, viewer.packets("v")[0].ssrc, (number & 0xFFFF,)))
    visit.run(0.1)
    assert not viewer.received("v").rtx
    assert visit.engine.peer_counters(viewer.peer)["nack_not_held"] == 2


def test_a_sender_is_asked_at_most_twice_and_once_a_round_trip(visit: Visit) -> None:
    _, other = shown(visit)
    visit.run(2.0)
    source = other.source("1")
    for sequence in range(source.sequence, source.sequence + 3):
        source.sent[sequence & 0xFFFF] = b""
    asked: list[tuple[float, int]] = []
    on_rtcp = other.participant._on_rtcp

    def listen(packet: rtcp.Packet, now: float) -> None:
        if isinstance(packet, rtcp.Nack):
            asked.extend((now, sequence) for sequence in packet.sequences)
        else:
            on_rtcp(packet, now)

    other.participant._on_rtcp = listen  # type: ignore[method-assign]
    source.sequence = source.sequence + 3 & 0xFFFF
    visit.run(2.0)
    by_number: dict[int, list[float]] = {}
    for at, sequence in asked:
        by_number.setdefault(sequence, []).append(at)
    assert [len(times) for times in by_number.values()] == [2, 2, 2]
    assert all(second - first >= 0.02 for first, second in by_number.values())


def test_picture_loss_is_relayed_and_throttled(visit: Visit) -> None:
    viewer, other = shown(visit)
    visit.run(2.0)
    before = other.participant.counters["key_frames_asked"]
    for _ in range(100):
        viewer.participant.ask_key_frame(viewer.packets("v")[0].ssrc)
        visit.run(0.02)
    assert 3 <= other.participant.counters["key_frames_asked"] - before <= 5
    assert other.source("1").key_frames >= 4


def test_a_full_intra_request_counts_once(visit: Visit) -> None:
    viewer, other = shown(visit)
    visit.run(2.0)
    before = other.participant.counters["key_frames_asked"]
    for number in (1, 1, 1, 2):
        viewer.participant.send_rtcp(rtcp.FullIntraRequest(1, ((viewer.packets("v")[0].ssrc, number),)))
        visit.run(1.0)
    assert other.participant.counters["key_frames_asked"] - before == 2


def test_rtx_probes_are_swallowed(visit: Visit) -> None:
    viewer, other = shown(visit)
    visit.run(1.0)
    source = other.source("1")
    newest = source.sequence - 1 & 0xFFFF
    packet = source.sent[newest]
    source.sent[newest] = packet[: rtp.Packet(packet).payload_at]  # nothing but the number that it would repair
    probe = source.repair(newest, 99)
    assert probe
    other.participant.send_rtp(probe)
    visit.run(0.2)
    assert visit.engine.peer_counters(other.peer)["rtx_in"] == 1
    assert not viewer.received("v").missing


# --- feedback -------------------------------------------------------------------------------------------------------


def test_transport_feedback_covers_every_packet_of_every_line_once(visit: Visit) -> None:
    _, other = shown(visit)
    other.up_link.loss = 0.1
    visit.run(5.0)
    other.up_link.loss = 0.0
    visit.run(0.5)
    counts = [feedback.count for _, feedback in other.participant.feedback]
    assert counts == [number & 0xFF for number in range(len(counts))]
    told: dict[int, int | None] = {}
    for _, feedback in other.participant.feedback:
        for sequence, arrival in feedback.arrivals():
            if arrival is not None or sequence not in told:
                told[sequence] = arrival
    sent = sum(source.packets_sent for source in other.participant.sources)
    assert set(range(min(told), max(told) + 1)) == set(told)
    assert len(told) > sent
    lost = sum(arrival is None for arrival in told.values()) / len(told)
    assert lost == pytest.approx(0.1, abs=0.03)
    arrivals = [arrival for _, arrival in sorted(told.items()) if arrival is not None]
    assert arrivals == sorted(arrivals)
    gaps = [now for now, _ in other.participant.feedback]
    assert max(later - sooner for sooner, later in pairwise(gaps)) < 0.15


def test_numbers_that_jump_make_no_datagram_too_long(visit: Visit) -> None:
    _, other = shown(visit)
    visit.run(1.0)
    sizes: list[int] = []
    feed = other.participant.feed

    def measured(datagram: bytes, now: float) -> None:
        sizes.append(len(datagram))
        feed(datagram, now)

    other.participant.feed = measured  # type: ignore[method-assign]  # to see what comes
    source = other.source("0")
    for step in range(100):
        other.participant.send_rtp(source.packet(0, b"x", visit.now, step * 700 & 0xFFFF))
    visit.run(1.0)
    assert max(sizes) < 1300
    assert len(other.participant.feedback) > 100


def test_receiver_reports_tell_loss_and_round_trip(visit: Visit) -> None:
    _, other = shown(visit)
    reports: list[rtcp.ReceiverReport] = []
    on_rtcp = other.participant._on_rtcp

    def listen(packet: rtcp.Packet, now: float) -> None:
        if isinstance(packet, rtcp.ReceiverReport):
            reports.append(packet)
        on_rtcp(packet, now)

    other.participant._on_rtcp = listen  # type: ignore[method-assign]
    visit.run(3.0)
    other.up_link.loss = 0.2
    other.participant.sources[1].sent.clear()
    visit.run(5.0)
    ssrcs = {source.ssrc for source in other.participant.sources}
    assert {block.ssrc for report in reports for block in report.reports} == ssrcs
    assert all(report.sender == FEEDBACK_SSRC for report in reports)
    last = next(block for block in reports[-1].reports if block.ssrc == 1020)
    assert 25 < last.fraction_lost < 90
    assert last.packets_lost > 50
    assert last.last_sender_report
    assert last.delay < 65536 * 4
    assert last.jitter < 900


@pytest.mark.parametrize("remb_bps", [None, 700_000])
def test_estimates_come_once_a_second(visit: Visit, remb_bps: int | None) -> None:
    viewer, _ = shown(visit)
    viewer.participant.remb_bps = remb_bps
    visit.run(10.0)
    estimates = [event for event in visit.of(DownEstimate) if event.peer == viewer.peer]
    assert 6 <= len(estimates) <= 11
    last = estimates[-1]
    assert last.bitrate_bps == pytest.approx(remb_bps or 0, rel=0.01)
    assert last.sent_bps == pytest.approx(1_300_000, rel=0.1)
    assert last.round_trip_s == pytest.approx(0.02, abs=0.01)
    assert last.loss == 0.0


def test_a_packet_lost_in_a_pause_of_opus_is_no_trouble(visit: Visit) -> None:
    viewer, other = shown(visit)
    other.source("0").frame_s = 0.4  # DTX
    viewer.down_link.loss = 0.02
    visit.run(30.0)
    losses = [event.loss for event in visit.of(DownEstimate) if event.peer == viewer.peer]
    assert 0.005 < sum(losses) / len(losses) < 0.04
    assert max(losses) < 0.08


def test_a_cap_is_repeated_and_let_go(visit: Visit) -> None:
    _, other = shown(visit)
    visit.run(1.0)
    visit.engine.cap(other.peer, 300_000)
    visit.run(5.0)
    caps = list(other.participant.rembs)
    assert 5 <= len(caps) <= 6
    assert caps[0][0] < visit.now - 4.9
    assert all(bitrate == pytest.approx(300_000, rel=0.01) for _, bitrate in caps)
    visit.engine.cap(other.peer, None)
    visit.run(10.0)
    released = [bitrate for _, bitrate in other.participant.rembs[len(caps) :]]
    assert released == pytest.approx([UNCAPPED_BPS] * 3, rel=0.01)


# --- how streams are found ------------------------------------------------------------------------------------------


def test_a_line_set_up_anew_is_found_by_an_ssrc_that_names_itself_no_more(visit: Visit) -> None:
    viewer = visit.add([])
    other = visit.add([microphone(), camera("1", 1000, rid="f"), camera("2", 3000)])
    visit.route(viewer, "v", other.camera)
    visit.run(1.0)
    for source in other.participant.sources:
        source.names_itself = False
    visit.engine.remove(other.camera, visit.now)
    anew = visit.engine.add_up(other.peer, up_parameters(other.source("1")))
    visit.route(viewer, "v", anew)
    before = len(viewer.packets("v"))
    visit.run(1.0)
    assert len(viewer.packets("v")) > before + 80


def test_ntp_of_reports_is_the_senders(visit: Visit) -> None:
    viewer, _ = shown(visit)
    visit.run(3.0)
    at, report = viewer.received("a").reports[-1]
    assert report.ntp_time / (1 << 32) - NTP_AT_ZERO == pytest.approx(at - 0.02, abs=0.02)


# --- what an authentic participant may cost ---------------------------------------------------------------------------


def test_reports_said_twice_in_one_compound_go_on_once(visit: Visit) -> None:
    viewer, other = shown(visit)
    visit.run(1.0)
    before = len(viewer.received("v").reports)
    source = other.source("1")
    other.participant.send_rtcp(*[rtcp.SenderReport(source.ssrc, 1 << 32, number, 1, 1) for number in range(40)])
    visit.run(0.04)
    assert len(viewer.received("v").reports) - before == 1


def test_numbers_asked_for_in_one_compound_are_bounded(visit: Visit) -> None:
    viewer, _ = shown(visit)
    visit.run(1.0)
    viewer.participant.asks_again = False
    request = rtcp.Nack(1, viewer.packets("v")[0].ssrc, tuple(range(200)))
    viewer.participant.send_rtcp(*[request] * 10)
    visit.run(0.1)
    counters = visit.engine.peer_counters(viewer.peer)
    assert sum(counters[name] for name in ("nack_not_held", "nack_limited", "rtx_sent")) == MAX_NACKED


def test_feedback_that_claims_the_world_is_refused(visit: Visit) -> None:
    viewer, _ = shown(visit)
    visit.run(1.0)
    claim = rtcp.TransportFeedback(1, 2, 0, 0, 0, (None,) * 8000)
    for times, malformed in ((1, 0), (2, 1)):
        viewer.participant.send_rtcp(*[claim] * times)
        visit.run(0.05)
        assert visit.engine.peer_counters(viewer.peer).get("rtcp_malformed", 0) == malformed


def test_no_loss_is_more_than_all(visit: Visit) -> None:
    viewer = visit.add([], slots=[slot_parameters("video", mid, 100 * n) for n, mid in enumerate("abc", 1)])
    visit.run(1.0)
    for number in (0, 0x7FFFFFFF):
        blocks = [rtcp.ReportBlock(ssrc, 255, 0x7FFFFF, number, 0, 0, 0) for ssrc in viewer.participant.slots]
        lost = [replace(block, packets_lost=0) for block in blocks] if number == 0 else blocks
        viewer.participant.send_rtcp(rtcp.ReceiverReport(1, tuple(lost)))
        visit.run(0.05)
    visit.run(1.5)
    assert all(0 <= event.loss <= 1 for event in visit.of(DownEstimate))
    assert visit.of(DownEstimate)[-1].loss < 0.01


def test_who_waits_can_ask_for_no_key_frame(visit: Visit) -> None:
    viewer, other = visit.add([], admitted=False), visit.add()
    visit.show(viewer, other)
    visit.run(1.0)
    before = other.participant.counters["key_frames_asked"]
    for number in range(20):
        ssrc = next(ssrc for ssrc, slot in viewer.participant.slots.items() if slot.mid == "v")
        viewer.participant.send_rtcp(rtcp.PictureLoss(1, ssrc), rtcp.FullIntraRequest(1, ((ssrc, number),)))
        visit.run(0.1)
    assert other.participant.counters["key_frames_asked"] == before


def test_keys_said_twice_begin_nothing_anew(visit: Visit) -> None:
    """One key, one number, two packets: with GCM that gives the key stream away, and lets old packets in again."""
    keys = make_keys()
    viewer, other = visit.add([], keyed=False), visit.add()
    viewer.participant.set_keys(keys)
    visit.engine.set_keys(viewer.peer, keys)
    visit.show(viewer, other)
    indices: list[bytes] = []
    feed = viewer.participant.feed

    def listen(datagram: bytes, now: float) -> None:
        if datagram[0] >> 6 == 2 and rtcp.is_rtcp(datagram):
            indices.append(datagram[4:8] + datagram[-4:])  # whose, and the number
        feed(datagram, now)

    viewer.participant.feed = listen  # type: ignore[method-assign]  # to see what comes
    visit.run(3.0)
    visit.engine.set_keys(viewer.peer, keys)
    visit.run(3.0)
    assert len(indices) > 4
    assert len(set(indices)) == len(indices)
