"""Participants in rooms of Janus's videoroom, over its Unix socket: signalling by JSON and SDP, then the handshakes.

Each has two PeerConnections, a publisher's and a subscriber's, and is the DTLS client of both: it offers `active`, and
answers so when Janus offers `actpass`.
"""

import json
import re
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from bench.connection import Pair, connect
from bench.dtls import Identity, Profile
from bench.leg import Leg, Receiving, Sending
from media.engine import Address, IceCredentials, Kind

ANSWER_S = 60.0
AT_ONCE = 32  # requests without an answer; with many more, Janus and we wait for each other to read
MAX_BYTES = 1 << 17  # of one message of Janus's
CODECS: dict[Kind, tuple[int, str]] = {"audio": (111, "opus/48000/2"), "video": (96, "VP8/90000")}
FIRST = 1  # the id of the first participant; Janus wants none to be 0
SSRC = 10_000  # the first that a participant sends with
_ROOM = {
    "request": "create",
    "audiocodec": "opus",
    "videocodec": "vp8",
    "audiolevel_ext": False,
    "videoorient_ext": False,
    "playoutdelay_ext": False,
    "transport_wide_cc_ext": False,
}

Message = dict[str, Any]


class Videoroom:
    """One session of Janus's API. It ends with its socket, and all rooms with it."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError or a ConnectionError while nobody listens there."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(ANSWER_S)
        self._up: set[int] = set()  # handles whose PeerConnection is there
        try:
            self._socket.connect(str(path))
            self._session: int = self._ask([{"janus": "create"}])[0]["data"]["id"]
        except OSError:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def versions(self) -> dict[str, str]:
        """Return those of Janus and of the libraries that packets pass through."""
        info = self._ask([{"janus": "info"}])[0]
        return {
            "janus": info["version_string"],
            **{name: info["dependencies"][name] for name in ("libnice", "libsrtp")},
        }

    def connect(self, rooms: int, addresses: Iterator[Address], size: int, profile: Profile) -> list[Leg]:
        """Open the rooms and connect everybody; each participant's publisher comes before its subscriber.

        Raises RuntimeError when Janus refuses something, TimeoutError when it does not answer.
        """
        if size < 2:
            raise ValueError("nobody would receive anything in a room of one")
        numbers = range(1, rooms + 1)
        (keeper,) = self._attach(1)
        self._request([keeper] * rooms, [{**_ROOM, "room": number, "publishers": size} for number in numbers])
        rooms_of_all = [room for room in numbers for _ in range(size)]
        identity = Identity(profile)
        sides = [(_Side(next(addresses), identity), _Side(next(addresses), identity)) for _ in rooms_of_all]
        publishers = self._publish(rooms_of_all, [publisher for publisher, _ in sides])
        subscribers = self._subscribe(rooms_of_all, [subscriber for _, subscriber in sides])
        return [leg for both in zip(publishers, subscribers, strict=True) for leg in both]

    # --- the two PeerConnections of each: person n is the feed FIRST + n and has the legs 2n and 2n + 1 ---------------

    def _publish(self, rooms: list[int], sides: list["_Side"]) -> list[Leg]:
        for person, side in enumerate(sides):
            side.lines = [
                _Line(kind, kind, CODECS[kind][0], SSRC + len(CODECS) * person + at) for at, kind in enumerate(CODECS)
            ]
        handles = self._attach(len(rooms))
        answers = self._request(
            handles,
            [
                {"request": "joinandconfigure", "ptype": "publisher", "room": room, "id": FIRST + person}
                for person, room in enumerate(rooms)
            ],
            [("offer", side.sdp("sendonly")) for side in sides],
        )
        pairs = [side.pair(answer["jsep"]["sdp"]) for side, answer in zip(sides, answers, strict=True)]
        return [
            leg(sends=tuple(Sending(line.kind, line.ssrc, line.payload_type) for line in side.lines))
            for side, leg in zip(sides, self._shake_hands(handles, pairs, sides[0].identity), strict=True)
        ]

    def _subscribe(self, rooms: list[int], sides: list["_Side"]) -> list[Leg]:
        handles = self._attach(len(rooms))
        feeds: dict[int, list[int]] = {}  # by room
        for person, room in enumerate(rooms):
            feeds.setdefault(room, []).append(FIRST + person)
        offers = self._request(
            handles,
            [
                {
                    "request": "join",
                    "ptype": "subscriber",
                    "room": room,
                    "streams": [{"feed": feed} for feed in feeds[room] if feed != FIRST + person],
                }
                for person, room in enumerate(rooms)
            ],
        )
        pairs, received = [], []
        for side, offer in zip(sides, offers, strict=True):
            side.lines = _lines(offer["jsep"]["sdp"])
            pairs.append(side.pair(offer["jsep"]["sdp"]))
            feed_of = {stream["mid"]: stream["feed_id"] for stream in offer["plugindata"]["data"]["streams"]}
            received.append(
                tuple(
                    Receiving(line.kind, line.ssrc, line.payload_type, 2 * (feed_of[line.mid] - FIRST))
                    for line in side.lines
                )
            )
        start = [{"request": "start"}] * len(rooms)
        self._request(handles, start, [("answer", side.sdp("recvonly")) for side in sides])
        legs = self._shake_hands(handles, pairs, sides[0].identity)
        return [leg(receives=receives) for leg, receives in zip(legs, received, strict=True)]

    def _shake_hands(
        self, handles: Sequence[int], pairs: Sequence[Pair], identity: Identity
    ) -> list[Callable[..., Leg]]:
        """Connect them, and wait until Janus says so too: a publisher can't be subscribed to before."""
        keys = connect(pairs, identity)
        while not self._up.issuperset(handles):
            self._take()
        return [
            partial(Leg, pair.local, pair.remote, pair.ice, its_keys)
            for pair, its_keys in zip(pairs, keys, strict=True)
        ]

    # --- the API ----------------------------------------------------------------------------------------------------

    def _attach(self, count: int) -> list[int]:
        asked = {"janus": "attach", "plugin": "janus.plugin.videoroom", "session_id": self._session}
        return [answer["data"]["id"] for answer in self._ask([asked] * count)]

    def _request(
        self, handles: Sequence[int], bodies: Sequence[Message], sdps: Sequence[tuple[str, str]] = ()
    ) -> list[Message]:
        """Send each handle's request (with its SDP, if there are any), and return the answers in the same order."""
        messages: list[Message] = [
            {"janus": "message", "session_id": self._session, "handle_id": handle, "body": body}
            for handle, body in zip(handles, bodies, strict=True)
        ]
        for message, (kind, sdp) in zip(messages, sdps, strict=False):
            message["jsep"] = {"type": kind, "sdp": sdp}
        answers = self._ask(messages)
        for answer in answers:
            refused = answer["plugindata"]["data"].get("error")
            if refused:
                raise RuntimeError(f"Janus's videoroom refuses: {refused}")
        return answers

    def _ask(self, messages: Sequence[Message]) -> list[Message]:
        answers: dict[int, Message] = {}
        sent = 0
        while len(answers) < len(messages):
            if sent < min(len(messages), len(answers) + AT_ONCE):
                self._socket.send(json.dumps({**messages[sent], "transaction": str(sent)}).encode())
                sent += 1
                continue
            answer = self._take()
            if answer is not None:
                answers[int(answer["transaction"])] = answer
        return [answers[number] for number in range(len(messages))]

    def _take(self) -> Message | None:
        """Return what came, if it is an answer and not news."""
        data = self._socket.recv(MAX_BYTES)
        if not data:
            raise ConnectionResetError("Janus has ended")
        message: Message = json.loads(data)
        what: str = message["janus"]
        if what == "error":
            raise RuntimeError(f"Janus refuses: {message['error']['reason']}")
        if what == "hangup":
            raise RuntimeError(f"Janus hangs up: {message.get('reason')}")
        if what == "webrtcup":
            self._up.add(message["sender"])
        return message if what != "ack" and "transaction" in message else None


# --- SDP --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    mid: str
    kind: Kind
    payload_type: int
    ssrc: int

    def sdp(self, direction: str) -> list[str]:
        # no feedback and no extension: what is not said is not agreed
        return [
            f"m={self.kind} 9 UDP/TLS/RTP/SAVPF {self.payload_type}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{self.mid}",
            f"a={direction}",
            "a=rtcp-mux",
            f"a=rtpmap:{self.payload_type} {CODECS[self.kind][1]}",
            *([f"a=ssrc:{self.ssrc} cname:bench"] if direction == "sendonly" else []),
        ]


class _Side:
    """Our side of one PeerConnection: `lines` come from who offers, `pair` with Janus's description."""

    def __init__(self, local: Address, identity: Identity) -> None:
        self.identity = identity
        self.lines: list[_Line] = []
        self._local = local
        self._ufrag, self._password = secrets.token_hex(4), secrets.token_hex(12)

    def sdp(self, direction: str) -> str:
        host, port = self._local
        mids = " ".join(line.mid for line in self.lines)
        head = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
        transport = [
            f"a=ice-ufrag:{self._ufrag}",
            f"a=ice-pwd:{self._password}",
            f"a=fingerprint:sha-256 {self.identity.fingerprint}",
            "a=setup:active",
            f"a=candidate:1 1 udp 2130706431 {host} {port} typ host",
            "a=end-of-candidates",
        ]
        media = [text for line in self.lines for text in (*line.sdp(direction), *transport)]
        return "\r\n".join([*head, *media, ""])

    def pair(self, sdp: str) -> Pair:
        ufrag, password = _find(r"^a=ice-ufrag:(\S+)", sdp)[1], _find(r"^a=ice-pwd:(\S+)", sdp)[1]
        candidate = _find(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp)
        ice = IceCredentials(ufrag, password, self._ufrag)
        return Pair(self._local, (candidate[1], int(candidate[2])), ice, self._password)


def _lines(sdp: str) -> list[_Line]:
    """Return what Janus offers to send: of each line the first codec and the first SSRC."""
    return [
        _Line(
            _find(r"^a=mid:(\S+)", section)[1],
            cast(Kind, section.split()[0]),
            int(section.split()[3]),
            int(_find(r"^a=ssrc:(\d+)", section)[1]),
        )
        for section in re.split(r"^m=", sdp, flags=re.M)[1:]
    ]


def _find(pattern: str, text: str) -> re.Match[str]:
    found = re.search(pattern, text, re.M | re.I)
    if found is None:
        raise RuntimeError(f"Janus's SDP has no {pattern}")
    return found
