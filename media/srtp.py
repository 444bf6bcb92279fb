"""SRTP of one participant (RFC 3711, RFC 7714): two libsrtp sessions, bounded, that answer None instead of raising.

Every SSRC has a replay window of its own, `WINDOW` wide: NACK and RTX bring packets back long after their neighbours,
and a narrow window would take them for replays. The other direction never sends one number twice under one key (libsrtp
refuses), because with GCM that would give the key stream away.
"""

from collections import Counter

from pylibsrtp import Error, Policy, Session

from media.engine import SrtpKeys
from media.rtp import MAX_BYTES

WINDOW = 2048  # packets
MAX_SSRCS = 64  # per participant, sent to us; each costs a replay window

_PROFILES = {
    "SRTP_AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "SRTP_AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "SRTP_AES128_CM_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


class Srtp:
    """`counters` is the owner's: what is refused is counted there by its reason."""

    def __init__(self, keys: SrtpKeys, counters: Counter[str]) -> None:
        """Raises ValueError if a key is too short for its profile."""
        self._up = _session(keys.profile, keys.up, Policy.SSRC_ANY_INBOUND)
        self._down = _session(keys.profile, keys.down, Policy.SSRC_ANY_OUTBOUND)
        self._counters = counters
        self._ssrcs: set[int] = set()

    def unprotect(self, packet: bytes) -> bytes | None:
        """Return the plain RTP packet, or None if it is forged, replayed, or of one SSRC too many."""
        ssrc = packet[8:12]
        if not self._may(ssrc, len(packet)):
            return None
        try:
            plain: bytes = self._up.unprotect(packet)
        except Error as error:
            self._refuse(error)
            return None
        self._ssrcs.add(int.from_bytes(ssrc, "big"))
        return plain

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """As `unprotect`, for an SRTCP compound."""
        ssrc = packet[4:8]
        if not self._may(ssrc, len(packet)):
            return None
        try:
            plain: bytes = self._up.unprotect_rtcp(packet)
        except Error as error:
            self._refuse(error)
            return None
        self._ssrcs.add(int.from_bytes(ssrc, "big"))
        return plain

    def protect(self, packet: bytes) -> bytes | None:
        """Return the SRTP packet, or None where the number was used before or the packet is too long."""
        try:
            protected: bytes = self._down.protect(packet)
        except (Error, ValueError):
            self._counters["srtp_unprotectable"] += 1
            return None
        return protected

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        try:
            protected: bytes = self._down.protect_rtcp(packet)
        except (Error, ValueError):
            self._counters["srtp_unprotectable"] += 1
            return None
        return protected

    def _may(self, ssrc: bytes, size: int) -> bool:
        if size > MAX_BYTES:
            self._counters["srtp_too_long"] += 1
            return False
        # a forged packet never gets as far as `add`, so it can't use the bound up
        if len(self._ssrcs) >= MAX_SSRCS and int.from_bytes(ssrc, "big") not in self._ssrcs:
            self._counters["srtp_too_many_ssrcs"] += 1
            return False
        return True

    def _refuse(self, error: Error) -> None:
        reason = str(error)
        self._counters["srtp_replayed" if "replay" in reason else "srtp_not_authentic"] += 1


def _session(profile: str, key: bytes, direction: int) -> Session:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=_PROFILES[profile])
    policy.window_size = WINDOW
    return Session(policy)
