"""Whole calls in virtual time: paths, credentials, gates, floods, and what strangers get (nothing)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.participant import make_keys, up_parameters
from bench.sources import camera, microphone
from media import stun
from media.engine import DownId, IceCredentials, PathDown, PathUp, PeerId, SourceLost, Speakers, UpId
from tests.media.twins import ENGINES, SERVER, Visit, credentials

STRANGER = ("203.0.113.9", 9)


def check(ice: IceCredentials, password: str | None = None, **fields: Any) -> bytes:
    values: dict[str, Any] = {"priority": 1, "controlling": 7, "use_candidate": True, **fields}
    return stun.binding_request(
        b"transaction1",
        f"{ice.local_ufrag}:{ice.remote_ufrag}",
        ice.local_password if password is None else password,
        **values,
    )


def test_two_people_hear_and_see_each_other(visit: Visit) -> None:
    one, other = visit.pair()
    visit.run(3.0)
    for person in (one, other):
        assert len(person.packets("a")) > 140
        assert len(person.packets("v")) > 350
        assert not person.received("v").missing
    assert [event.peer for event in visit.of(PathUp)] == [one.peer, other.peer]


@pytest.mark.parametrize("wait_s", [0.05, 0.1, 0.15, 0.2])
def test_the_first_picture_comes_one_round_trip_after_the_keys(visit: Visit, wait_s: float) -> None:
    shown = visit.add()
    visit.run(1.0)
    viewer = visit.add([], keyed=False)
    keys = make_keys("SRTP_AEAD_AES_128_GCM")
    visit.show(viewer, shown)
    visit.engine.ask_key_frame(shown.camera)  # too early: spent now, the next would have to wait
    visit.run(wait_s)
    keyed_at = visit.now
    visit.engine.set_keys(viewer.peer, keys)
    viewer.participant.set_keys(keys)
    visit.run(0.5)
    assert viewer.packets("v")[0].arrived_s - keyed_at < 0.12  # two ways of 10 ms, and a frame's time


@pytest.mark.parametrize("profile", ["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"])
def test_every_srtp_profile(visit: Visit, profile: str) -> None:
    one, other = visit.add(profile=profile), visit.add()
    visit.show(other, one)
    visit.show(one, other)
    visit.run(1.0)
    assert len(one.packets("a")) > 40
    assert len(other.packets("a")) > 40


def test_with_the_gate_closed_nothing_passes_and_the_path_is_up(visit: Visit) -> None:
    one, other = visit.add(), visit.add(admitted=False)
    visit.show(one, other)
    visit.show(other, one)
    visit.run(2.0)
    assert not one.packets("a")
    assert not other.packets("v")
    assert len(visit.of(PathUp)) == 2
    assert other.participant.feedback  # its sender's estimate grows while it waits
    visit.engine.gate(other.peer, True, visit.now)
    visit.run(0.5)
    assert len(one.packets("v")) > 30
    assert len(other.packets("v")) > 30
    visit.engine.gate(other.peer, False, visit.now)
    visit.run(0.05)
    before = len(one.packets("a")), len(other.packets("v"))
    visit.run(1.0)
    assert (len(one.packets("a")), len(other.packets("v"))) == before


# --- what is not authenticated --------------------------------------------------------------------------------------


def test_strangers_get_silence_and_are_counted(visit: Visit) -> None:
    one, _ = visit.pair()
    visit.run(0.5)
    ice = one.ice
    wrong_remote = IceCredentials(ice.local_ufrag, ice.local_password, "somebody")
    for datagram in (
        b"",
        b"\x00",
        b"\x16" + bytes(40),
        b"\x80\x60" + bytes(40),
        b"\x81\xc8" + bytes(40),
        b"\xff" * 60,
        check(credentials(77)),
        check(ice, password="wrong" * 5),
        check(wrong_remote),
        check(ice)[:-4],
        stun.binding_success(b"transaction1", STRANGER, ice.local_password),
    ):
        visit.inject(datagram, STRANGER)
    assert not visit.stray
    counters = visit.engine.counters()
    assert counters["stun_unknown_ufrag"] >= 2
    assert counters["stun_not_authentic"] == 2
    assert counters["stun_malformed"] == 1
    assert counters["unknown_address"] == 5


def test_a_forged_source_moves_no_path(visit: Visit) -> None:
    _, other = visit.pair()
    visit.run(1.0)
    other.participant.sources[0].muted = True
    recorded = other.participant.due(visit.now + 0.05)
    for datagram in recorded:
        visit.inject(datagram, STRANGER)  # authentic SRTP, from an address that no check came from
    assert not visit.stray
    before = len(other.packets("v"))
    visit.run(0.5)
    assert len(other.packets("v")) > before
    assert not [datagram for _, datagram, to in visit.stray if to == STRANGER]


def test_nobody_draws_away_the_living_path_of_another(visit: Visit) -> None:
    one, other = visit.pair()
    visit.run(1.0)
    visit.inject(check(other.ice), one.address)
    before = len(one.packets("v")), len(other.packets("v"))
    visit.run(1.0)
    assert len(one.packets("v")) > before[0] + 100
    assert len(other.packets("v")) > before[1] + 100
    assert visit.engine.counters()["stun_pair_taken"] == 1


def test_dtls_waits_for_the_path(visit: Visit) -> None:
    person = visit.add()
    visit.engine.send_dtls(person.peer, b"\x16server hello")
    visit.engine.tick(visit.now)
    assert not visit.engine.transmits
    visit.run(0.2)
    assert person.participant.other == [b"\x16server hello"]


# --- paths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"controlling": None, "controlled": 7}, 487), ({}, None)],
)
def test_a_check_is_answered_where_it_came_from(visit: Visit, fields: dict[str, Any], code: int | None) -> None:
    person = visit.add()
    visit.engine.handle(check(person.ice, **fields), ("192.0.2.2", 7000), STRANGER, visit.now)
    (datagram, path), *_ = visit.engine.transmits
    assert path == (("192.0.2.2", 7000), STRANGER)
    assert stun.parse(datagram).error_code == code
    assert code or stun.parse(datagram).mapped_address == STRANGER
    visit.engine.transmits.clear()


def test_a_check_without_nomination_moves_no_path(visit: Visit) -> None:
    one, _ = visit.pair()
    visit.run(1.0)
    visit.inject(check(one.ice, use_candidate=False), STRANGER)
    visit.run(0.5)
    assert [datagram[0] for _, datagram, _ in visit.stray] == [1]  # the answer, and no media


def test_the_path_is_the_pair_nominated_last(visit: Visit) -> None:
    one, _ = visit.pair()
    visit.run(1.0)
    one.address = ("198.51.100.77", 7777)  # a phone leaves the Wi-Fi
    visit.inject(one.participant.check(), one.address)
    before = len(one.packets("v"))
    visit.run(0.5)
    assert len(one.packets("v")) > before + 50
    assert not visit.stray


def test_a_path_without_checks_goes_down_after_15_s_and_comes_back(visit: Visit) -> None:
    one, other = visit.pair()
    visit.run(2.0)
    one.up_link.down = True
    visit.run(12.0)
    assert not visit.of(PathDown)
    visit.run(4.0)
    assert [(event.peer, event.generation) for event in visit.of(PathDown)] == [(one.peer, 0)]
    before = len(one.packets("v")), one.participant.counters["stun_in"]
    visit.run(5.0)
    assert (len(one.packets("v")), one.participant.counters["stun_in"]) == before
    one.up_link.down = False
    visit.run(4.0)
    assert [event.peer for event in visit.of(PathUp)] == [one.peer, other.peer, one.peer]
    assert len(one.packets("v")) > before[0] + 100
    assert not one.received("v").missing  # it went on without a gap


def test_a_restart_keeps_both_generations_until_5_s_after_the_new_one_nominates(visit: Visit) -> None:
    one, other = visit.pair()
    visit.run(1.0)
    old, new = one.ice, credentials(1, generation=1)
    assert visit.engine.restart(one.peer, new) == 1
    visit.run(8.0)  # the old one holds for as long as the new one has not nominated
    assert not visit.of(PathDown)
    asked_before = other.participant.counters["key_frames_asked"]
    one.participant.ice = new
    one.participant.checked = False  # from the same address
    visit.run(1.0)
    assert [(event.peer, event.generation) for event in visit.of(PathUp)][-1] == (one.peer, 1)
    assert not one.received("v").missing
    assert other.participant.counters["key_frames_asked"] == asked_before  # nobody noticed
    visit.inject(check(old), STRANGER)
    assert [to for _, _, to in visit.stray] == [STRANGER]  # answered, but it nominates nothing any more
    before = len(one.packets("v"))
    visit.run(5.0)
    assert len(one.packets("v")) > before + 500
    visit.stray.clear()
    visit.inject(check(old), STRANGER)
    assert not visit.stray
    visit.run(12.0)
    assert not visit.of(PathDown)


# --- counters of lines and slots ------------------------------------------------------------------------------------


def test_what_each_line_and_slot_has_moved_is_counted(visit: Visit) -> None:
    viewer, other = visit.pair()
    visit.run(1.0)
    other.up_link.loss = viewer.down_link.loss = 0.05
    visit.run(5.0)
    other.up_link.loss = viewer.down_link.loss = 0.0
    visit.run(0.5)
    for source in other.participant.sources:
        source.muted = True
    visit.run(1.5)  # until all is there, and published
    camera, microphone = (visit.engine.track_counters(up) for up in (other.camera, other.microphone))
    for line, source in ((camera, other.source("1")), (microphone, other.source("0"))):
        assert set(line) == {"packets", "octets", "lost", "repaired"}
        assert line["packets"] + line["lost"] == source.packets_sent
        assert line["octets"] == line["packets"] * source.size
        assert line["lost"] > 5
    assert camera["repaired"] == visit.engine.peer_counters(other.peer)["rtx_in"] > 30
    assert microphone["repaired"] == 0
    seen, heard = (visit.engine.track_counters(viewer.downs[mid]) for mid in ("v", "a"))
    assert set(seen) == set(heard) == {"packets", "octets", "repaired"}
    assert camera["packets"] < seen["packets"] <= camera["packets"] + camera["repaired"]
    assert seen["octets"] == seen["packets"] * other.source("1").size
    assert heard == {"packets": microphone["packets"], "octets": microphone["octets"], "repaired": 0}
    counters = visit.engine.peer_counters(viewer.peer)
    assert seen["repaired"] == counters["rtx_sent"] > 30
    assert seen["packets"] + seen["repaired"] + heard["packets"] == counters["rtp_out"]


def test_what_a_line_has_moved_outlives_its_ssrcs(visit: Visit) -> None:
    viewer, other = visit.pair()
    other.up_link.loss = 0.05
    camera = other.source("1")
    visit.run(2.0)
    camera.sequence = camera.sequence + 9000 & 0xFFFF
    visit.run(2.0)
    camera.ssrc, camera.rtx_ssrc = 7777, 7778
    visit.run(2.0)
    other.up_link.loss, camera.muted = 0.0, True
    visit.run(1.5)
    line = visit.engine.track_counters(other.camera)
    assert 0.02 < line["lost"] / camera.packets_sent < 0.1
    # what was lost at the end of each, and at the beginning, nobody can know
    assert camera.packets_sent - 10 < line["packets"] + line["lost"] <= camera.packets_sent
    slot = viewer.downs["v"]
    visit.engine.remove(other.camera, visit.now)
    visit.engine.remove(viewer.peer, visit.now)
    for gone in (other.camera, slot, other.peer, UpId(999)):
        with pytest.raises(KeyError):
            visit.engine.track_counters(gone)


# --- floods ---------------------------------------------------------------------------------------------------------


def test_a_flood_is_capped_and_touches_nobody_else(visit: Visit) -> None:
    one, other = visit.pair()
    third = visit.add([camera(ssrc=3000)])
    third.participant.sources[0].packets = 400  # 9,600 packets a second
    third.participant.sources[0].size = 100
    visit.show(one, third)
    visit.run(3.0)
    counters = visit.engine.peer_counters(third.peer)
    assert counters["rtp_flood"] > 10_000
    assert counters["rtp_in"] < 3000 * 3 + 2000
    assert not other.received("v").missing
    assert visit.engine.peer_counters(one.peer)["rtp_flood"] == 0


def test_ssrcs_beyond_the_bound_are_refused(visit: Visit) -> None:
    one, other = visit.pair()
    visit.run(0.5)
    source = microphone(ssrc=1)
    for ssrc in range(50_000, 50_200):
        source.ssrc = ssrc
        one.participant.send_rtp(source.packet(0, b"x", visit.now, 1))
    visit.run(0.5)
    assert visit.engine.peer_counters(one.peer)["srtp_too_many_ssrcs"] > 130
    before = len(other.packets("v"))
    visit.run(0.5)
    assert len(other.packets("v")) > before + 50


def test_checks_are_capped(visit: Visit) -> None:
    person = visit.add()
    for _ in range(1000):
        visit.engine.handle(check(person.ice), SERVER, STRANGER, visit.now)
    assert len(visit.engine.transmits) == 200
    assert visit.engine.peer_counters(person.peer)["stun_flood"] == 800
    visit.engine.transmits.clear()


@pytest.mark.parametrize(
    ("datagram", "counter"),
    [
        (b"\x80\x60" + bytes(60), "srtp_not_authentic"),
        (b"\x80\xc8" + bytes(60), "srtp_not_authentic"),
        (b"\x80", "srtp_not_authentic"),
        (b"\x80\x60" + bytes(1500), "srtp_too_long"),
        (b"\x50" + bytes(60), "unknown_protocol"),
    ],
)
def test_bad_datagrams_on_a_path_are_counted_by_reason(visit: Visit, datagram: bytes, counter: str) -> None:
    one, _ = visit.pair()
    visit.run(0.2)
    visit.inject(datagram, one.address)
    assert visit.engine.peer_counters(one.peer)[counter] == 1


def test_replayed_packets_are_dropped(visit: Visit) -> None:
    one, other = visit.pair()
    one.up_link.duplicate = 0.5
    visit.run(2.0)
    assert visit.engine.peer_counters(one.peer)["srtp_replayed"] > 50
    numbers = other.received("v").numbers()
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("engine", ENGINES)
@given(st.data())
@settings(max_examples=25)
def test_nothing_that_an_authentic_participant_sends_is_fatal(engine: str, data: st.DataObject) -> None:
    visit = Visit(ENGINES[engine])
    one, other = visit.pair()
    visit.run(0.3)
    srtp = one.participant.srtp
    assert srtp is not None
    ssrcs = st.sampled_from([1010, 1011, 2010, 7])
    for _ in range(20):
        body = data.draw(st.binary(max_size=60))
        header = data.draw(
            st.sampled_from([b"\x80\x60", b"\x90\x60", b"\xb0\xe0", b"\x80\x61", b"\x90\x6f", b"\xa1\x60"])
        )
        if data.draw(st.booleans()):
            extensions = b"\xbe\xde" if data.draw(st.booleans()) else b"\x10\x00"
            body = extensions + (len(body) // 8).to_bytes(2, "big") + body
        sequence = data.draw(st.integers(0, 65535)).to_bytes(2, "big")
        packet = header + sequence + bytes(4) + data.draw(ssrcs).to_bytes(4, "big") + body
        report = bytes((0x80 | data.draw(st.integers(0, 63)), data.draw(st.integers(200, 207))))
        report += (len(body) // 4 + 1).to_bytes(2, "big") + bytes(4) + body
        for sealed in (srtp.protect(packet), srtp.protect_rtcp(report)):
            visit.inject(sealed or b"", one.address)
    visit.run(0.1)
    before = len(one.packets("a"))
    visit.run(0.3)
    assert len(one.packets("a")) > before
    assert visit.engine.peer_counters(other.peer)["rtp_malformed"] == 0


# --- events ---------------------------------------------------------------------------------------------------------


def test_a_video_source_that_falls_silent_is_lost_and_one_in_dtx_is_not(visit: Visit) -> None:
    one, other = visit.pair()
    visit.run(1.0)
    one.source("1").muted = one.source("0").muted = True
    visit.run(4.0)
    assert visit.of(SourceLost) == [SourceLost(one.camera, True)]
    one.source("1").muted = one.source("0").muted = False
    visit.run(1.0)
    assert visit.of(SourceLost)[1:] == [SourceLost(one.camera, False)]
    assert one.participant.counters["nacked"] == 0
    assert not other.received("a").missing


def test_speakers_come_and_go(visit: Visit) -> None:
    one, other = visit.pair()
    one.source("0").level, other.source("0").level = 127, 127
    visit.run(1.0)
    assert not visit.of(Speakers)
    one.source("0").level = 20
    visit.run(1.0)
    one.source("0").level = 127
    visit.run(2.0)
    assert [event.ups for event in visit.of(Speakers)] == [(one.microphone,), ()]


def test_ids_are_never_reused_and_removal_is_idempotent(visit: Visit) -> None:
    one, other = visit.pair()
    visit.run(1.0)
    visit.engine.remove(one.peer, visit.now)
    visit.engine.remove(one.peer, visit.now)
    visit.engine.remove(one.camera, visit.now)
    visit.people.remove(one)
    visit.run(1.0)
    before = len(other.packets("a"))
    visit.run(1.0)
    assert len(other.packets("a")) == before
    assert visit.engine.add_peer(credentials(50)) > other.peer
    with pytest.raises(KeyError):
        visit.engine.set_keys(one.peer, make_keys())
    with pytest.raises(KeyError):
        visit.engine.add_up(one.peer, up_parameters(camera()))


def test_two_hundred_who_came_and_went_leave_nothing_behind(visit: Visit) -> None:
    stays = visit.add()
    for _ in range(200):
        guest = visit.add()
        visit.show(stays, guest)
        visit.show(guest, stays)
        visit.run(0.06)
        visit.engine.restart(guest.peer, credentials(guest.number, 1))
        visit.people.remove(guest)
        visit.engine.remove(guest.peer, visit.now)
    visit.run(0.5)
    core = visit.engine
    counters = core.counters()
    assert [counters[name] for name in ("peers", "ups", "downs", "ufrags", "paths")] == [1, 2, 2, 1, 1]
    assert counters["voices"] <= 1
    assert counters["rtp_in"] > core.peer_counters(stays.peer)["rtp_in"]  # of those gone, the sums stay


def test_what_is_asked_of_those_gone_is_let_go(visit: Visit) -> None:
    peer, up, down = PeerId(997), UpId(998), DownId(999)
    visit.engine.gate(peer, True, visit.now)
    visit.engine.send_dtls(peer, b"\x16")
    visit.engine.cap(peer, 300_000)
    visit.engine.route(down, up, None, visit.now)
    visit.engine.ask_key_frame(up)
