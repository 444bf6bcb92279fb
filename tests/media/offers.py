"""Offers as our own page makes them, cut to what matters; real browsers' are in tests/data."""

from collections.abc import Sequence

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)

CHROMIUM = ("VP8", "VP9", "H264", "AV1")
FIREFOX = ("VP8", "VP9", "AV1")

_CODECS = {"VP8": (96, ""), "VP9": (98, "profile-id=0"), "H264": (102, ""), "AV1": (45, "profile=0")}
_H264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"


def offer(
    *,
    sends: str = "avv",
    slots: str = "aaavvvv",
    codecs: Sequence[str] = CHROMIUM,
    ufrag: str = "page",
    fingerprint: str = FINGERPRINT,
    rids: Sequence[str] = ("q", "h", "f"),
    more: str = "",
) -> str:
    """Return an offer of the lines `sends` then `slots` then `more` slots, each a letter: a(udio) or v(ideo)."""
    lines = [(kind, "sendonly") for kind in sends] + [(kind, "recvonly") for kind in slots + more]
    first_video = sends.find("v")
    text = [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(str(mid) for mid in range(len(lines))),
    ]
    for mid, (kind, direction) in enumerate(lines):
        text += _audio() if kind == "a" else _video(codecs)
        text += [f"a=mid:{mid}", f"a={direction}", f"a=ice-ufrag:{ufrag}", "a=ice-pwd:" + "p" * 24]
        text += [f"a=fingerprint:{fingerprint}", "a=setup:actpass", "a=rtcp-mux"]
        text += ["a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"]
        if mid == first_video and rids and direction == "sendonly":
            text += [f"a=rid:{rid} send" for rid in rids] + [f"a=simulcast:send {';'.join(rids)}"]
    return "\r\n".join([*text, ""])


def _audio() -> list[str]:
    return ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10"]


def _video(codecs: Sequence[str]) -> list[str]:
    numbers = [number for name in codecs for number in (_CODECS[name][0], _CODECS[name][0] + 1)]
    lines = [f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, numbers))}"]
    for name in codecs:
        number, parameters = _CODECS[name]
        lines += [f"a=rtpmap:{number} {name}/90000", f"a=rtcp-fb:{number} nack", f"a=rtcp-fb:{number} nack pli"]
        parameters = _H264 if name == "H264" else parameters
        lines += [f"a=fmtp:{number} {parameters}"] if parameters else []
        lines += [f"a=rtpmap:{number + 1} rtx/90000", f"a=fmtp:{number + 1} apt={number}"]
    return lines
