"""Real browsers take our answers, at join, with another codec first and at an ICE restart."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from media import answer, sdp
from media.engine import Codec
from tests.e2e.browsers import Browsers, Kind, Page
from tests.media.test_answer import H264, TRANSPORT, accept

pytestmark = pytest.mark.e2e

# The offers of a page, made and answered step by step; `connection` lives between the calls.
OFFER = """async (slots) => {
    if (!window.connection) {
        const layers = ["q", "h", "f"].map((rid, at) => ({rid, active: rid === "f", scaleResolutionDownBy: 4 >> at}));
        window.connection = new RTCPeerConnection();
        window.streams = {};
        connection.ontrack = event => { streams[event.transceiver.mid] = event.streams.map(stream => stream.id); };
        connection.addTransceiver("audio", {direction: "sendonly"});
        connection.addTransceiver("video", {direction: "sendonly", sendEncodings: layers});
        connection.addTransceiver("video", {direction: "sendonly"});
        connection.createDataChannel("unwanted");
    } else {
        connection.restartIce();
    }
    for (const kind of slots) connection.addTransceiver(kind, {direction: "recvonly"});
    await connection.setLocalDescription();
    return connection.localDescription.sdp;
}"""
ANSWER = """async (sdp) => {
    await connection.setRemoteDescription({type: "answer", sdp});
    const camera = connection.getTransceivers()[1].sender.getParameters();
    return {
        state: connection.signalingState,
        directions: connection.getTransceivers().map(one => one.currentDirection),
        streams,
        active: camera.encodings.filter(one => one.active).map(one => one.rid),
        codec: camera.codecs[0].mimeType,
    };
}"""


@pytest.fixture
async def browsers() -> AsyncIterator[Browsers]:
    browsers = Browsers()
    yield browsers
    await browsers.close()


async def negotiate(page: Page, slots: list[str], wanted: Codec | None = None) -> dict[str, Any]:
    offered = sdp.parse(await page.evaluate(OFFER, slots))
    result: dict[str, Any] = await page.evaluate(ANSWER, answer.write(offered, accept(offered, wanted), TRANSPORT))
    return result


@pytest.mark.parametrize(
    ("kind", "wanted", "codec"),
    [("chromium", None, "video/VP8"), ("chromium", H264, "video/H264"), ("firefox", None, "video/VP8")],
)
async def test_browser_takes_the_answers(browsers: Browsers, kind: Kind, wanted: Codec | None, codec: str) -> None:
    page = await (await browsers.context(kind)).page()
    joined = await negotiate(page, ["audio", "video"], wanted)
    assert joined == {
        "state": "stable",
        "directions": ["sendonly"] * 3 + ["recvonly"] * 2,
        "streams": {"3": ["s3"], "4": ["s4"]},
        "active": ["f"],
        "codec": codec,
    }
    grown = await negotiate(page, ["audio"], wanted)
    assert grown["directions"] == ["sendonly"] * 3 + ["recvonly"] * 3
    assert (grown["state"], grown["active"], grown["codec"]) == ("stable", ["f"], codec)
    assert page.errors == []
