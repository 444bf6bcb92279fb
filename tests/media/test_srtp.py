"""Both directions of one participant's SRTP, and what is refused."""

from collections import Counter

import pytest

from bench.participant import make_keys
from media.engine import SrtpKeys
from media.rtp import pack_header
from media.srtp import MAX_SSRCS, WINDOW, Srtp

PROFILES = ["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"]


def pair(profile: str = PROFILES[0]) -> tuple[Srtp, Srtp]:
    """A server and its client."""
    keys = make_keys(profile)
    return Srtp(keys, Counter()), Srtp(SrtpKeys(keys.profile, up=keys.down, down=keys.up), Counter())


def packet(seq: int = 1, ssrc: int = 7, size: int = 100) -> bytes:
    return pack_header(0, 96, seq, 0, ssrc) + bytes(size)


def rtcp(ssrc: int = 7) -> bytes:
    return b"\x80\xc9\x00\x01" + ssrc.to_bytes(4, "big")


@pytest.mark.parametrize("profile", PROFILES)
def test_both_directions(profile: str) -> None:
    server, client = pair(profile)
    for ours, theirs in ((server, client), (client, server)):
        sealed, report = ours.protect(packet()), ours.protect_rtcp(rtcp())
        assert sealed
        assert report
        assert sealed != packet()
        assert theirs.unprotect(sealed) == packet()
        assert theirs.unprotect_rtcp(report) == rtcp()


def test_refusals_are_counted_by_reason() -> None:
    keys = make_keys()
    counters: Counter[str] = Counter()
    server = Srtp(keys, counters)
    client = Srtp(SrtpKeys(keys.profile, up=keys.down, down=keys.up), Counter())
    sealed = client.protect(packet()) or b""
    other = client.protect(packet(2)) or b""
    assert server.unprotect(sealed)
    for bad in (sealed, other[:-1] + bytes((other[-1] ^ 1,)), b"\x80", b"", bytes(1501)):
        assert server.unprotect(bad) is None
    assert server.unprotect_rtcp(b"\x80\xc8" + bytes(20)) is None
    assert counters == {"srtp_replayed": 1, "srtp_not_authentic": 4, "srtp_too_long": 1}


def test_a_packet_may_be_late_by_the_whole_window() -> None:
    server, client = pair()
    sealed = [client.protect(packet(seq)) or b"" for seq in range(1, WINDOW + 100)]
    assert server.unprotect(sealed[-1])
    assert server.unprotect(sealed[-WINDOW + 1])
    assert server.unprotect(sealed[-WINDOW + 1]) is None
    assert server.unprotect(sealed[0]) is None


def test_no_number_is_sent_twice_under_one_key() -> None:
    server, _ = pair()
    assert server.protect(packet(5))
    assert server.protect(packet(6))
    assert server.protect(packet(5)) is None


def test_what_is_too_long_to_protect_is_refused() -> None:
    assert pair()[0].protect(packet(size=1400)) is None


def test_forged_packets_use_no_ssrc_up_and_real_ones_do() -> None:
    server, client = pair()
    for ssrc in range(1000):
        assert server.unprotect(packet(ssrc=ssrc)) is None
    passed = [server.unprotect(client.protect(packet(ssrc=ssrc)) or b"") for ssrc in range(2 * MAX_SSRCS)]
    assert [plain is not None for plain in passed] == [True] * MAX_SSRCS + [False] * MAX_SSRCS
    assert server.unprotect_rtcp(client.protect_rtcp(rtcp(5)) or b"")
    assert server.unprotect_rtcp(client.protect_rtcp(rtcp(5000)) or b"") is None


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        Srtp(SrtpKeys("SRTP_AEAD_AES_128_GCM", bytes(3), bytes(3)), Counter())
