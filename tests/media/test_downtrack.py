"""What a slot's receiver sees while sources come, go and lose packets: one stream without a step."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from bench.participant import slot_parameters
from bench.sources import AV1, H264, VP8, VP9, Source, camera, microphone
from media import rtp
from media.engine import Codec, DownEstimate
from media.payload import parse_vp8, parse_vp9, starts_key_frame
from media.rtp import Packet
from tests.media.twins import Person, Visit


def frames(packets: list[Packet]) -> list[list[Packet]]:
    """Group by timestamp, in the order of the numbers."""
    grouped: dict[int, list[Packet]] = {}
    for packet in sorted(packets, key=lambda packet: packet.seq):
        grouped.setdefault(packet.timestamp, []).append(packet)
    return list(grouped.values())


def sources_of(packets: list[Packet]) -> list[int]:
    """Who made each packet: `tell_apart` gave every camera its own packet size."""
    return [packet.end - packet.payload_at for packet in packets]


def tell_apart(*people: Person) -> None:
    for person in people:
        person.source("1").size = 900 + person.number
        person.source("1").packets = 2


def assert_no_step(packets: list[Packet], clock: int = 90000) -> None:
    numbers = sorted(packet.seq for packet in packets)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    ordered = sorted(packets, key=lambda packet: packet.seq)
    for one, other in pairwise(ordered):
        step = (other.timestamp - one.timestamp & 0xFFFFFFFF) / clock
        assert 0 <= step < 1.5
        if other.arrived_s >= one.arrived_s:  # else it came by repair
            assert abs(step - (other.arrived_s - one.arrived_s)) < 0.1


@pytest.mark.parametrize("codec", [VP8, VP9, H264, AV1], ids=lambda codec: codec.name)
def test_fifty_changes_of_source_without_a_step(visit: Visit, codec: Codec) -> None:
    viewer = visit.add([])
    shown = [visit.add([camera(ssrc=5000 + 10 * n, codec=codec)]) for n in range(3)]
    tell_apart(*shown)
    for turn in range(51):
        visit.route(viewer, "v", shown[turn % 3].camera)
        visit.run(0.7)
    packets = viewer.packets("v")
    assert_no_step(packets)
    seen = sources_of(packets)
    changes = [at for at in range(1, len(seen)) if seen[at] != seen[at - 1]]
    assert len(changes) == 50
    for at in changes:
        assert starts_key_frame(codec.name, packets[at].payload)


@pytest.mark.parametrize("bits", [7, 15])
def test_vp8_picture_numbers_go_on_at_the_width_found(visit: Visit, bits: int) -> None:
    viewer = visit.add([])
    shown = [visit.add([camera(ssrc=5000 + 10 * n)]) for n in range(2)]
    for person in shown:
        person.source("1").picture_bits = bits
    for turn in range(10):
        visit.route(viewer, "v", shown[turn % 2].camera)
        visit.run(0.7)
    found = [parse_vp8(frame[0].payload) for frame in frames(viewer.packets("v"))]
    for one, other in pairwise(found):
        assert other.picture_id_bits == bits
        assert (other.picture_id or 0) == (one.picture_id or 0) + 1 & (1 << bits) - 1
        assert (other.tl0picidx or 0) == (one.tl0picidx or 0) + 1 & 0xFF
        assert (other.keyidx or 0) == (one.keyidx or 0) + 1 & 0x1F


def test_vp9_picture_numbers_go_on(visit: Visit) -> None:
    viewer = visit.add([])
    shown = [visit.add([camera(ssrc=5000 + 10 * n, codec=VP9)]) for n in range(2)]
    for turn in range(10):
        visit.route(viewer, "v", shown[turn % 2].camera)
        visit.run(0.7)
    found = [parse_vp9(frame[0].payload) for frame in frames(viewer.packets("v"))]
    for one, other in pairwise(found):
        assert (other.picture_id or 0) == (one.picture_id or 0) + 1 & 0x7FFF
        assert (other.tl0picidx or 0) == (one.tl0picidx or 0) + 1 & 0xFF


def test_the_old_source_stays_until_the_new_one_has_a_key_frame(visit: Visit) -> None:
    viewer, one, other = visit.add([]), visit.add(), visit.add()
    tell_apart(one, other)
    visit.route(viewer, "v", one.camera)
    visit.run(1.0)
    other.up_link.down = True  # its key frame can't come
    visit.route(viewer, "v", other.camera)
    visit.run(1.0)
    assert sources_of(viewer.packets("v"))[-1] == one.source("1").size
    other.up_link.down = False
    visit.run(1.5)
    assert sources_of(viewer.packets("v"))[-1] == other.source("1").size
    assert_no_step(viewer.packets("v"))


def test_audio_changes_at_once(visit: Visit) -> None:
    viewer, one, other = visit.add([]), visit.add(), visit.add()
    one.source("0").size, other.source("0").size = 81, 82
    visit.route(viewer, "a", one.microphone)
    visit.run(1.0)
    visit.route(viewer, "a", other.microphone)
    visit.run(1.0)
    packets = viewer.packets("a")
    assert_no_step(packets, 48000)
    assert 45 <= sources_of(packets).count(82) <= 50


def test_an_emptied_slot_is_silent_at_once_and_goes_on_later(visit: Visit) -> None:
    viewer, shown = visit.add([]), visit.add()
    visit.show(viewer, shown)
    visit.run(1.0)
    visit.route(viewer, "v", None)
    visit.run(0.02)
    before = len(viewer.packets("v"))
    visit.run(1.0)
    assert len(viewer.packets("v")) == before
    visit.route(viewer, "v", shown.camera)
    visit.run(1.0)
    assert len(viewer.packets("v")) > before + 50
    assert_no_step(viewer.packets("v"))


def test_a_key_frame_whose_first_packet_is_repaired_is_shown_whole_at_once(visit: Visit) -> None:
    viewer, one, other = visit.add([]), visit.add(), visit.add()
    viewer.participant.asks_again = False  # what was held back follows by itself
    tell_apart(one, other)
    other.source("1").packets = 40  # more than the slot's budget for repair could bring
    visit.route(viewer, "v", one.camera)
    visit.run(1.5)
    send = other.participant.send_rtp
    lost: list[int] = []

    def lose_the_first(packet: bytes) -> None:
        sent = Packet(packet)
        if not lost and sent.payload_type == 96 and starts_key_frame("VP8", sent.payload):
            lost.append(sent.sequence)
        else:
            send(packet)

    other.participant.send_rtp = lose_the_first  # type: ignore[method-assign]
    visit.route(viewer, "v", other.camera)
    visit.run(1.0)
    packets = viewer.packets("v")
    assert len(lost) == 1
    assert_no_step(packets)
    begins = sources_of(packets).index(other.source("1").size)
    assert starts_key_frame("VP8", packets[begins].payload)
    assert len({packet.timestamp for packet in packets[begins : begins + 40]}) == 1
    assert packets[begins + 39].arrived_s - packets[begins].arrived_s < 0.01


def test_late_packets_over_a_change_keep_their_own_numbers(make_visit: Callable[[int], Visit]) -> None:
    for seed in range(5):
        visit = make_visit(seed)
        viewer, one, other = visit.add([]), visit.add(), visit.add()
        tell_apart(one, other)
        for person in (one, other):
            person.up_link.reorder = 0.2
        for turn in range(12):
            visit.route(viewer, "v", (one, other)[turn % 2].camera)
            visit.run(0.7)
        packets = viewer.packets("v")
        numbers = [packet.seq for packet in packets]
        assert len(set(numbers)) == len(numbers)
        for frame in frames(packets):
            assert len({packet.end - packet.payload_at for packet in frame}) == 1  # nobody's packet in another's frame
            sizes = {parse_vp8(packet.payload).picture_id for packet in frame}
            assert len(sizes) == 1


def test_no_word_is_lost_where_people_come_back_while_packets_are_late(visit: Visit) -> None:
    viewer, one, other = visit.add([]), visit.add(), visit.add()
    one.up_link.reorder = 0.3
    visit.route(viewer, "a", one.microphone)
    visit.run(1.0)
    for _ in range(50):
        visit.route(viewer, "a", other.microphone)
        visit.run(0.021)
        visit.route(viewer, "a", one.microphone)
        visit.run(0.2)
    assert not viewer.received("a").missing


def test_a_camera_that_was_off_for_long_goes_on_without_a_gap(visit: Visit) -> None:
    viewer, shown = visit.add([]), visit.add()
    visit.show(viewer, shown)
    visit.run(2.0)
    before = len(viewer.packets("v"))
    shown.source("1").muted = True
    visit.run(120.0)
    shown.source("1").muted = False
    visit.run(1.0)
    packets = viewer.packets("v")
    last, first = packets[before - 1 : before + 1]
    assert first.seq == last.seq + 1
    assert (first.timestamp - last.timestamp & 0xFFFFFFFF) / 90000 == pytest.approx(120.0, abs=0.1)
    came_at, report = viewer.received("v").reports[-1]
    newest = packets[-1]
    assert (newest.timestamp - report.rtp_time & 0xFFFFFFFF) / 90000 == pytest.approx(
        newest.arrived_s - came_at, abs=0.1
    )


def test_packets_carry_the_receivers_numbers_and_extensions(visit: Visit) -> None:
    ids = {rtp.MID: 9, rtp.ABS_SEND_TIME: 2, rtp.AUDIO_LEVEL: 14}
    opus = microphone().codec
    viewer = visit.add(
        slots=[
            slot_parameters(
                "video",
                "v",
                70,
                codecs={VP8: 120},
                rtx={120: 121},
                extensions=ids,
                first_sequence=65530,
                first_timestamp=9,
            ),
            slot_parameters("audio", "a", 80, codecs={opus: 109}, extensions=ids, first_sequence=7, first_timestamp=5),
        ]
    )
    shown = visit.add()
    shown.source("0").level = 33
    visit.show(viewer, shown)
    visit.run(0.5)
    first, voice = viewer.packets("v")[0], viewer.packets("a")[0]
    assert (first.ssrc, first.sequence, first.timestamp, first.payload_type) == (70, 65530, 9, 120)
    assert (voice.ssrc, voice.sequence, voice.timestamp, voice.payload_type) == (80, 7, 5, 109)
    assert {packet.extensions()[9] for packet in viewer.packets("v")} == {b"v"}
    assert voice.extensions() == {9: b"a", 2: rtp.abs_send_time(voice.arrived_s - 0.01), 14: bytes((33,))}


def test_orientation_is_passed_on(visit: Visit) -> None:
    viewer, shown = visit.add([]), visit.add()
    visit.show(viewer, shown)
    visit.run(0.5)
    source = shown.source("1")
    packet = rtp.Packet(source.packet(1, bytes((0x80, 0, 1, 1)), visit.now, 9))
    turned = rtp.pack_header(
        1, packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc,
        rtp.pack_extensions(rtp.pack_element(13, b"\x02")),
    )  # fmt: skip
    shown.participant.send_rtp(turned + packet.payload)
    visit.run(0.1)
    assert [packet.extensions()[13] for packet in viewer.packets("v") if 13 in packet.extensions()] == [b"\x02"]


def test_padding_alone_leaves_no_gap(visit: Visit) -> None:
    viewer, shown = visit.add([]), visit.add()
    visit.show(viewer, shown)
    visit.run(0.5)
    source = shown.source("1")
    for _ in range(20):
        packet = bytearray(source.packet(0, bytes(254) + b"\xff", visit.now, 9))
        packet[0] |= 0x20  # 255 bytes of padding
        shown.participant.send_rtp(bytes(packet))
        visit.run(0.1)
    assert_no_step(viewer.packets("v"))
    assert not [packet for packet in viewer.packets("v") if packet.end == packet.payload_at]


def test_a_codec_nobody_mapped_is_not_sent(visit: Visit) -> None:
    viewer = visit.add(slots=[slot_parameters("video", "v", 70, codecs={H264: 102}, rtx={})])
    shown = visit.add()
    visit.route(viewer, "v", shown.camera)
    visit.run(0.5)
    assert not viewer.packets("v")
    assert visit.engine.peer_counters(viewer.peer)["slot_codec_unknown"] > 0


def test_a_sender_that_changes_its_codec_goes_on_at_a_key_frame(visit: Visit) -> None:
    changing = camera()
    changing.also = {98: VP9}
    viewer, shown = visit.add([]), visit.add([microphone(), changing])
    visit.show(viewer, shown)
    visit.run(1.0)
    source = shown.source("1")
    source.codec, source.payload_type, source.wants_key = VP9, 98, False
    visit.run(1.5)
    packets = viewer.packets("v")
    changed = next(at for at, packet in enumerate(packets) if packet.payload_type == 98)
    assert starts_key_frame("VP9", packets[changed].payload)
    assert {packet.payload_type for packet in packets[changed:]} == {98}
    assert_no_step(packets)


def test_a_sender_that_starts_its_numbers_anew_is_followed(visit: Visit) -> None:
    viewer, shown = visit.add([]), visit.add()
    visit.show(viewer, shown)
    visit.run(1.0)
    shown.source("1").sequence = shown.source("1").sequence + 20_000 & 0xFFFF
    shown.source("0").sequence = shown.source("0").sequence + 20_000 & 0xFFFF
    visit.run(1.5)
    for mid in ("v", "a"):
        assert viewer.packets(mid)[-1].arrived_s > visit.now - 0.1
        numbers = sorted(viewer.received(mid).numbers())
        assert numbers[-1] - numbers[0] == len(numbers) - 1


def test_a_long_outage_leaves_no_gap_to_repair(visit: Visit) -> None:
    viewer, shown = visit.add([]), visit.add()
    visit.show(viewer, shown)
    visit.run(1.0)
    shown.up_link.down = True
    visit.run(10.0)
    shown.up_link.down = False
    visit.run(1.5)
    assert viewer.packets("v")[-1].arrived_s > visit.now - 0.1
    assert not viewer.received("v").missing


# --- simulcast ------------------------------------------------------------------------------------------------------


def simulcast(**muted: bool) -> list[Source]:
    layers = [camera(ssrc=6000 + 10 * n, rid=rid) for n, rid in enumerate("qhf")]
    for layer in layers:
        assert layer.rid
        layer.muted = muted.get(layer.rid, False)
        layer.size = {"q": 300, "h": 600, "f": 1000}[layer.rid]
    return layers


@pytest.mark.parametrize(
    ("muted", "rid", "size"),
    [
        ({"q": True, "h": True}, None, 1000),
        ({}, None, 1000),
        ({}, "q", 300),
        ({}, "h", 600),
        ({"f": True}, None, 600),
        ({"f": True}, "f", None),
    ],
)
def test_the_layer_asked_for_is_shown(visit: Visit, muted: dict[str, bool], rid: str | None, size: int | None) -> None:
    viewer, shown = visit.add([]), visit.add(simulcast(**muted))
    visit.route(viewer, "v", shown.camera, rid)
    visit.run(2.0)
    packets = viewer.packets("v")
    assert {packet.end - packet.payload_at for packet in packets[-20:]} == ({size} if size else set())


def test_the_highest_layer_that_sends_is_followed(visit: Visit) -> None:
    viewer, shown = visit.add([]), visit.add(simulcast())
    visit.route(viewer, "v", shown.camera)
    visit.run(1.5)
    shown.participant.sources[2].muted = True
    visit.run(3.5)
    assert sources_of(viewer.packets("v"))[-1] == 600
    shown.participant.sources[2].muted = False
    visit.run(1.5)
    assert sources_of(viewer.packets("v"))[-1] == 1000
    numbers = sorted(viewer.received("v").numbers())
    assert numbers[-1] - numbers[0] == len(numbers) - 1


# --- reports --------------------------------------------------------------------------------------------------------


def test_sender_reports_keep_the_senders_clock_and_the_slots_time(visit: Visit) -> None:
    viewer, shown = visit.add([]), visit.add()
    visit.show(viewer, shown)
    visit.run(5.0)
    for mid, clock in (("a", 48000), ("v", 90000)):
        received = viewer.received(mid)
        assert len(received.reports) >= 4
        for _, report in received.reports:
            sent_at = report.ntp_time / (1 << 32) - shown.participant.ntp_time(0) / (1 << 32)
            first = received.packets[0]
            # the packet with that timestamp left the sender at that instant
            expected = first.timestamp + (sent_at - (first.arrived_s - 0.02)) * clock
            assert abs((report.rtp_time - int(expected) + 0x8000) % 0x10000 - 0x8000) < clock * 0.01
    assert viewer.received("v").reports[-1][1].packets == pytest.approx(len(viewer.packets("v")), abs=150)


def test_a_sender_report_follows_a_change_of_source_at_once(visit: Visit) -> None:
    viewer, one, other = visit.add([]), visit.add(), visit.add()
    visit.show(viewer, one)
    visit.run(3.4)
    visit.show(viewer, other)
    visit.run(0.2)
    began = viewer.received("a").reports
    assert visit.now - began[-1][0] < 0.2


def test_uplink_loss_is_not_blamed_on_the_downlink(visit: Visit) -> None:
    viewer, shown = visit.add([]), visit.add()
    visit.show(viewer, shown)
    shown.participant.sources[1].sent = {}  # nothing to repair from
    shown.up_link.loss = 0.2
    visit.run(1.0)
    visit.of(DownEstimate)
    visit.run(10.0)
    estimates = visit.of(DownEstimate)
    assert max(event.loss for event in estimates) < 0.08
    shown.up_link.loss, viewer.down_link.loss = 0.0, 0.2
    visit.run(6.0)
    assert 0.1 < visit.of(DownEstimate)[-1].loss < 0.35


def test_what_a_late_key_frame_brings_along_is_read_as_its_own_codec(visit: Visit) -> None:
    changing = camera(ssrc=1000)
    changing.also, changing.muted = {98: VP9}, True
    viewer, other = visit.add([]), visit.add([changing])
    visit.route(viewer, "v", other.camera)
    visit.run(1.0)
    key = changing.packet(1, b"\x10\0" + bytes(100), visit.now, 1)
    changing.payload_type = 98
    other.participant.send_rtp(changing.packet(1, b"\x10\0" + bytes(100), visit.now, 2))  # a key frame, were it VP8
    other.participant.send_rtp(key)
    visit.run(0.1)
    assert [packet.payload_type for packet in viewer.packets("v")] == [96]
