"""SDP offers of browsers, read in one pass (RFC 8866, RFC 9429, RFC 8843, RFC 8853).

Nine of ten lines say codecs and header extensions, the same for every slot of every browser of one version: such a
block is known by its text, and only the lines around it are looked at one by one.

Reads what an SFU decides by and nothing else. Unknown lines, attributes, extensions, codecs and media are left out, or
end up in a section that the answer rejects; only what can't be answered at all is a ValueError. All text of the offer
that the answer repeats is checked here, so the answer can't be made to say anything else.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, cast

from media.codecs import OfferedCodec, read_codecs

MAX_CHARACTERS = 120_000
MAX_SECTIONS = 64
MAX_LINE = 2000
MAX_SOURCE_LINES = 64  # per section that count; a browser has at most 9 for three layers
MAX_RIDS = 4

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVP"})
_MEDIA = re.compile(r"([a-z]{1,20}) (\d{1,5})(?:/\d{1,5})? ([A-Z/]{1,40}) ([!-~]+(?: [!-~]+){0,200})\Z")
_MID = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,16}\Z")  # a token (RFC 8866) that fits a one-byte header extension
_RID = re.compile(r"[A-Za-z0-9_-]{1,16}\Z")
_ICE = re.compile(r"[A-Za-z0-9+/=-]{4,256}\Z")  # "=" and "-" are no ice-char (RFC 8839), but seen
_FINGERPRINT = re.compile(r"([a-z0-9-]+) ((?:[0-9A-F]{2}:){19,63}[0-9A-F]{2})\Z", re.I)
_EXTENSION = re.compile(r"a=extmap:(\d{1,3})(?:/(sendrecv|sendonly|recvonly|inactive))? (\S+)")
_SSRC = re.compile(r"a=ssrc:(\d{1,10})(?: |$)")
_FID = re.compile(r"a=ssrc-group:FID (\d{1,10}) (\d{1,10})\s*$")
_HASHES = frozenset({"sha-256", "sha-384", "sha-512"})
_SETUPS = frozenset({"actpass", "active"})


@dataclass(frozen=True, slots=True)
class Extension:
    """An RTP header extension as offered; `direction` is the offerer's."""

    id: int
    direction: Direction


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line. `usable` says whether it can be accepted: bundled, RTP over DTLS with rtcp-mux, and not rejected."""

    media: str  # "audio", "video", or what can't be used: "application", …
    protocol: str
    formats: str
    mid: str  # empty: none
    direction: Direction
    usable: bool
    codecs: tuple[OfferedCodec, ...]  # those we know, as ordered by the offerer
    extensions: Mapping[str, Extension]  # by URI; those with an id of one byte
    rids: tuple[str, ...]  # to be sent, in the order of a=simulcast
    paused: frozenset[str]  # those of them that are not sent at first
    ssrcs: tuple[int, ...]  # declared to be sent, without those of RTX
    rtx_ssrcs: Mapping[int, int]  # RTX SSRC → SSRC it repairs (a=ssrc-group:FID)


@dataclass(frozen=True, slots=True)
class Offer:
    ice_ufrag: str
    ice_password: str
    fingerprints: tuple[tuple[str, str], ...]  # (hash, value): all that may be shown by the DTLS handshake
    sections: tuple[Section, ...]


def parse(text: str) -> Offer:
    """Return the offer; raises ValueError with one fixed sentence where it is malformed or can't be answered."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError("SDP is too long")
    session, *media = text.split("\nm=")
    if not session.startswith("v=0"):
        raise ValueError("SDP does not begin with v=0")
    if not media:
        raise ValueError("SDP has no media")
    if len(media) > MAX_SECTIONS:
        raise ValueError("SDP has too many media sections")
    top = _Scan(session)
    scans = [_Scan(one) for one in media]
    mids = [scan.mid for scan in scans if scan.mid]
    if len(set(mids)) < len(mids):
        raise ValueError("SDP uses a mid twice")
    # without a group a single line is a bundle by itself, and of several none can share our one transport
    bundle = tuple(top.bundle or (mids if len(scans) == 1 else ()))
    first = next((scan for scan in scans if scan.mid in bundle), scans[0])
    return _offer(top, first, tuple(_section(scan, scan.mid in bundle, top) for scan in scans))


def _offer(top: "_Scan", first: "_Scan", sections: tuple[Section, ...]) -> Offer:
    ufrag, password = first.ufrag or top.ufrag, first.password or top.password
    if not _ICE.match(ufrag) or not _ICE.match(password) or len(password) < 22:
        raise ValueError("SDP has no ICE credentials")
    if (first.setup or top.setup) not in _SETUPS:
        raise ValueError("SDP does not let us be the DTLS server")
    fingerprints = first.fingerprints or top.fingerprints
    if not fingerprints:
        raise ValueError("SDP has no usable certificate fingerprint")
    return Offer(ufrag, password, fingerprints, sections)


class _Scan:
    """What the lines of one section say, before it is known what of it counts."""

    def __init__(self, text: str) -> None:
        block, text = _cut(text, _CAPABILITY_LINES, _read_capabilities)
        capabilities = [block] if block else []
        block, text = _cut(text, _EXTENSION_LINES, _read_extensions)
        extensions = [block] if block else []
        self.direction: Direction | None = None
        self.rids: list[str] = []
        self.sources: list[str] = []
        self._fingerprints: list[str] = []
        self._said: dict[str, str] = {}
        lines = text.splitlines() or [""]
        self.media_line = lines[0]
        if max(map(len, lines)) > MAX_LINE:
            raise ValueError("SDP line is too long")
        for line in lines:
            head = line[:5]  # enough to tell the lines that come many times from the few that come once
            if head in _CAPABILITY and (head != "a=rtc" or line[6:8] == "-f"):
                capabilities.append(line)
            elif head == "a=ext":
                if line[8:9] == ":":
                    extensions.append(line)
            elif head == "a=ssr":
                self.sources.append(line)
            elif head in _ONCE:
                self._attribute(line)
        self.capabilities, self.extensions = "\n".join(capabilities), "\n".join(extensions)
        said = self._said.get
        self.mid, self.ufrag, self.password = said("mid", ""), said("ice-ufrag", ""), said("ice-pwd", "")
        self.setup, self.simulcast = said("setup", ""), said("simulcast", "")
        self.rtcp_mux, self.bundle_only = "rtcp-mux" in self._said, "bundle-only" in self._said
        if "mid" in self._said and not _MID.match(self.mid):
            raise ValueError("SDP mid is malformed")

    @property
    def bundle(self) -> list[str]:
        """The mids of the first group of that kind."""
        return self._said.get("group", "").split()[1:]

    @property
    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        """(hash, value) of those whose hash we know."""
        found = [_FINGERPRINT.match(value) for value in self._fingerprints]
        return tuple((one[1].lower(), one[2].upper()) for one in found if one and one[1].lower() in _HASHES)

    def _attribute(self, line: str) -> None:
        name, _, value = line[2:].rstrip().partition(":")
        if name in _DIRECTIONS:
            self.direction = cast(Direction, name)
        elif name == "fingerprint":
            self._fingerprints.append(value)
        elif name == "rid":
            rid, _, rest = value.partition(" ")
            if rest.partition(" ")[0] == "send":
                self.rids.append(rid)
        elif name == "group":
            if value.startswith("BUNDLE "):
                self._said.setdefault(name, value)
        else:
            self._said[name] = value


_DIRECTIONS = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
_CAPABILITY = frozenset({"a=rtp", "a=fmt", "a=rtc"})
_CAPABILITY_LINES = ("\na=rtpmap:", "\na=rtcp-fb:", "\na=fmtp:")
_EXTENSION_LINES = ("\na=extmap:",)
_ONCE = frozenset(
    {"a=mid", "a=ice", "a=set", "a=fin", "a=gro", "a=rtc", "a=bun", "a=rid", "a=sim", "a=sen", "a=rec", "a=ina"}
)


def _cut(text: str, starts: Sequence[str], read: Callable[[str], str]) -> tuple[str, str]:
    """Return the one block of lines that start so, as `read`, and the text without it.

    Nothing, and the text as it is, where there are other lines between them.
    """
    found = [at for start in starts if (at := text.find(start)) >= 0]
    if not found:
        return "", text
    first = min(found)
    last = text.find("\n", max([text.rfind(start) for start in starts]) + 1)
    block, after = (text[first:], "") if last < 0 else (text[first:last], text[last:])
    if "\na=mid:" in block:  # Firefox goes by the alphabet
        return "", text
    try:
        return read(block), text[:first] + after
    except LookupError:
        return "", text


@lru_cache(maxsize=128)  # the least recently used out; what raises is not kept
def _read_capabilities(block: str) -> str:
    lines = block.splitlines()[1:]
    if not all(line[:5] in _CAPABILITY and (line[:5] != "a=rtc" or line[6:8] == "-f") for line in lines):
        raise LookupError
    return _checked(lines)


@lru_cache(maxsize=128)
def _read_extensions(block: str) -> str:
    lines = block.splitlines()[1:]
    if not all(line[:5] == "a=ext" for line in lines):
        raise LookupError
    return _checked(lines)


def _checked(lines: Sequence[str]) -> str:
    if max(map(len, lines)) > MAX_LINE:
        raise ValueError("SDP line is too long")
    return "\n".join(lines)


def _section(scan: _Scan, bundled: bool, top: _Scan) -> Section:
    line = _MEDIA.match(scan.media_line.rstrip())
    if not line:
        raise ValueError("SDP media line is malformed")
    media, port, protocol, formats = line[1], int(line[2]), line[3], line[4]
    usable = (
        bundled
        and media in ("audio", "video")
        and (port != 0 or scan.bundle_only)
        and protocol in _PROTOCOLS
        and scan.rtcp_mux
    )
    ssrcs, rtx_ssrcs = _sources(scan.sources)
    rids, paused = _layers(scan.rids, scan.simulcast)
    return Section(
        media,
        protocol,
        formats,
        scan.mid,
        scan.direction or top.direction or "sendrecv",
        usable,
        read_codecs(media, formats, scan.capabilities) if usable else (),
        _extensions(scan.extensions) if usable else {},
        rids,
        paused,
        ssrcs,
        rtx_ssrcs,
    )


@lru_cache(maxsize=128)  # as for codecs: all slots of one browser say the same
def _extensions(attributes: str) -> Mapping[str, Extension]:
    found = {}
    for line in attributes.split("\n"):
        match = _EXTENSION.match(line)
        if match and 0 < int(match[1]) < 15:  # 15 is reserved, more needs headers of two bytes (RFC 8285 §4.2)
            found[match[3]] = Extension(int(match[1]), cast(Direction, match[2] or "sendrecv"))
    return MappingProxyType(found)


def _layers(declared: list[str], simulcast: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the rids to be sent in order, and those paused ("~"); of alternatives ("a,b") the first is taken."""
    directions = simulcast.split()
    streams = directions[directions.index("send") + 1 :][:1] if "send" in directions else []
    tokens = [one.partition(",")[0] for one in streams[0].split(";")] if streams else declared
    known = [one for one in tokens if one.lstrip("~") in declared and _RID.match(one.lstrip("~"))]
    rids = tuple(dict.fromkeys(one.lstrip("~") for one in known))[:MAX_RIDS]
    return rids, frozenset(one[1:] for one in known if one.startswith("~"))


def _sources(lines: list[str]) -> tuple[tuple[int, ...], dict[int, int]]:
    """Return the SSRCs declared, and RTX SSRC → SSRC from the FID groups."""
    declared: dict[int, None] = {}
    rtx: dict[int, int] = {}
    for line in lines[:MAX_SOURCE_LINES]:
        match = _SSRC.match(line)
        if match:
            declared[int(match[1]) & 0xFFFFFFFF] = None
            continue
        match = _FID.match(line)
        if match:
            rtx[int(match[2]) & 0xFFFFFFFF] = int(match[1]) & 0xFFFFFFFF
    return tuple(ssrc for ssrc in declared if ssrc not in rtx), rtx
