"""Which codecs a line of an offer knows, and which of them are taken.

A line's rtpmap, fmtp and rtcp-fb attributes are read as one text, once per distinct text: the slots of an offer all say
the same, and so do all browsers of one version, so nearly every section after the first is found in the cache.

Codecs we forward without decoding: Opus, VP8, H.264, VP9 and AV1. A participant may send one variant of each, the one
that most receivers decode; a slot takes every variant, so that it can show whatever somebody sends. Variants for more
than 8 bits or full colour are passed over: no camera needs them, and each makes seven slots longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from media.engine import Codec, Kind

MAX_PAYLOAD_TYPES = 128  # there are no more

_NAMES = {"opus": "opus", "vp8": "VP8", "h264": "H264", "vp9": "VP9", "av1": "AV1"}
_KINDS: dict[str, Kind] = {"opus": "audio", "VP8": "video", "H264": "video", "VP9": "video", "AV1": "video"}
_CLOCK_RATES = {"opus": "48000", "VP8": "90000", "H264": "90000", "VP9": "90000", "AV1": "90000"}
_BEST_VARIANTS = ("", "42e0/1", "42e0/0", "0")
_NO_CAMERA_NEEDS = frozenset({"VP9/1", "VP9/2", "VP9/3", "AV1/1", "AV1/2", "H264/f400/0", "H264/f400/1"})


@dataclass(frozen=True, slots=True)
class OfferedCodec:
    """A codec under the payload number that the offer gives it."""

    payload_type: int
    codec: Codec
    clock_rate: int
    channels: int  # 1 for video
    parameters: str  # the fmtp attribute as offered, or empty
    feedback: frozenset[str]  # "nack", "nack pli", "ccm fir", "goog-remb", "transport-cc", …
    rtx: int | None  # payload number of its retransmissions (RFC 4588)

    def __hash__(self) -> int:
        """Tables go by lists of codecs, in which the numbers differ; all fields would take longer than what is kept."""
        return self.payload_type


def accept_up(
    offered: Sequence[OfferedCodec], preference: Sequence[str], wanted: Codec | None = None
) -> tuple[OfferedCodec, ...]:
    """Return what a participant may send: `wanted` first, then one variant of each other codec by `preference`.

    A browser sends the first; the others are there to be changed to without a new offer. Names outside `preference`
    are left out, Opus excepted.
    """
    best: dict[str, OfferedCodec] = {}
    for one in sorted(offered, key=lambda one: (one.codec != wanted, _rank(one.codec))):
        best.setdefault(one.codec.name, one)
    names = dict.fromkeys(([wanted.name] if wanted else []) + ["opus", *preference])
    return tuple(best[name] for name in names if name in best)


def _rank(codec: Codec) -> int:
    return _BEST_VARIANTS.index(codec.variant) if codec.variant in _BEST_VARIANTS else len(_BEST_VARIANTS)


@lru_cache(maxsize=128)  # the least recently used out; 128 browser versions and kinds at once are many
def read_codecs(kind: str, formats: str, attributes: str) -> tuple[OfferedCodec, ...]:
    """Return the codecs that we know of a section, in the order of `formats` (the end of its m-line).

    `attributes` are its rtpmap, fmtp and rtcp-fb lines, as they are and in their order. What is unknown or makes no
    sense is left out.
    """
    maps: dict[str, str] = {}
    parameters: dict[str, str] = {}
    feedback: dict[str, set[str]] = {}
    for line in attributes.split("\n"):
        name, _, rest = line[2:].partition(":")
        payload_type, _, value = rest.strip().partition(" ")
        if name == "rtpmap":
            maps[payload_type] = value
        elif name == "fmtp":
            parameters[payload_type] = value
        elif name == "rtcp-fb":
            feedback.setdefault(payload_type, set()).add(value)
    order = list(dict.fromkeys(one for one in formats.split() if _is_payload_type(one)))
    rtx = _retransmissions(order, maps, parameters)
    everywhere = feedback.get("*", set())
    found = []
    for payload_type in order:
        encoding, clock_rate, channels = _encoding(maps.get(payload_type, ""))
        if encoding is None or _KINDS[encoding] != kind or clock_rate != _CLOCK_RATES[encoding]:
            continue
        said = parameters.get(payload_type, "")
        codec = Codec(_KINDS[encoding], encoding, _variant(encoding, said))
        if f"{codec.name}/{codec.variant}" in _NO_CAMERA_NEEDS:
            continue
        found.append(
            OfferedCodec(
                int(payload_type),
                codec,
                int(clock_rate),
                channels,
                said,
                frozenset(feedback.get(payload_type, set()) | everywhere),
                rtx.get(payload_type),
            )
        )
    return tuple(found)


def _is_payload_type(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < MAX_PAYLOAD_TYPES


def _encoding(value: str) -> tuple[str | None, str, int]:
    """Split e.g. "opus/48000/2"; the name is None if we don't know it."""
    encoding, _, rest = value.partition("/")
    clock_rate, _, channels = rest.partition("/")
    return _NAMES.get(encoding.lower()), clock_rate, 2 if channels == "2" else 1


def _retransmissions(order: Sequence[str], maps: dict[str, str], parameters: dict[str, str]) -> dict[str, int]:
    """Return payload number → that of its RTX."""
    found = {}
    for payload_type in order:
        if maps.get(payload_type, "").lower() == "rtx/90000":
            found[_parameter(parameters.get(payload_type, ""), "apt")] = int(payload_type)
    return found


def _parameter(parameters: str, name: str, default: str = "") -> str:
    for one in parameters.split(";"):
        key, _, value = one.strip().partition("=")
        if key.lower() == name:
            return value.strip()
    return default


def _variant(name: str, parameters: str) -> str:
    if name == "H264":
        profile = h264_profile(_parameter(parameters, "profile-level-id", "42e01f"))
        return f"{profile}/{_parameter(parameters, 'packetization-mode', '0')[:1]}"
    if name == "VP9":
        return _parameter(parameters, "profile-id", "0")
    if name == "AV1":
        return _parameter(parameters, "profile", "0")
    return ""


# (profile_idc, mask and value of its constraint bits) → the one spelling of the profile (RFC 6184 §8.1, table 5)
_H264_PROFILES = (
    (0x42, 0x4F, 0x40, "42e0"),  # constrained baseline, in three spellings
    (0x4D, 0x8F, 0x80, "42e0"),
    (0x58, 0xCF, 0xC0, "42e0"),
    (0x42, 0x4F, 0x00, "4200"),  # baseline
    (0x58, 0xCF, 0x80, "4200"),
    (0x4D, 0xAF, 0x00, "4d00"),  # main
    (0x64, 0xFF, 0x0C, "640c"),  # constrained high
)


def h264_profile(profile_level_id: str) -> str:
    """Return the profile in four hexadecimal digits, the same for every spelling of it, without the level."""
    try:
        number = int(profile_level_id[:4], 16)
    except ValueError:
        return ""
    for profile, mask, value, name in _H264_PROFILES:
        if number >> 8 == profile and number & mask == value:
            return name
    return f"{number:04x}"
