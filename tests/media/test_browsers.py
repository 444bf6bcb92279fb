"""The media plane with real browsers, before there is anything around it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from media.plane import VIDEO_CODECS
from media.room import Name, SpeakersChanged
from tests.e2e.browsers import Browsers, Camera, Kind
from tests.e2e.polling import until
from tests.media.engines import NAMES, engine
from tests.media.meeting import Meeting, Person

LAYERED = Camera(960, 540, 15)  # wide enough for three layers in Chromium
WIDTHS = {"q": 240, "h": 480, "f": 960}
SWITCHES = ("q", "h", "f", None) * 5  # None: another person

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browsers() -> AsyncIterator[Browsers]:
    browsers = Browsers()
    yield browsers
    await browsers.close()


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Of the engine."""
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="module")
async def meeting(browsers: Browsers, name: str, request: pytest.FixtureRequest) -> AsyncIterator[Meeting]:
    """A room; `@pytest.mark.parametrize("meeting", [codecs], indirect=True)` sets the preference."""
    meeting = Meeting(browsers, engine(name), getattr(request, "param", VIDEO_CODECS))
    await meeting.open()
    yield meeting
    await meeting.close()
    assert not meeting.plane._site.peers


@pytest.mark.parametrize("kinds", [("chromium", "chromium"), ("chromium", "firefox"), ("firefox", "chromium")])
async def test_two_see_and_hear_each_other(meeting: Meeting, kinds: tuple[Kind, Kind]) -> None:
    a, b = await meeting.enter("a", kinds[0]), await meeting.enter("b", kinds[1])
    await asyncio.gather(a.sees("b"), b.sees("a"), a.hears("b"), b.hears("a"))
    for person in (a, b):
        stats = await person.stats()
        assert {one["codec"] for one in stats["inbound"].values() if one["packets"]} == {"opus", "VP8"}
    assert meeting.profiles() == {"SRTP_AEAD_AES_128_GCM"}
    assert len(meeting.offers) == 2


async def test_a_moving_camera_is_soon_at_a_megabit(meeting: Meeting) -> None:
    a, b = await meeting.enter("a", picture="moving"), await meeting.enter("b")
    for _ in range(2):
        # what the browser thinks it may send: what it does send, a busy machine may not keep up with
        await until(lambda: allowed(a, 1_000_000), "the sender may send 1 Mbit/s", within_s=5)
        await b.sees("a")
        await a.do("camera", False)
        await until(lambda: is_still(b, "a"), "the camera is off")
        await a.do("camera", True)
    assert len(meeting.offers) == 2


async def allowed(person: Person, bitrate_bps: float) -> bool:
    stats = await person.stats()
    return bool(min(stats["outbound"]["1:f"]["target"], stats["available"] or 0) > bitrate_bps)


async def is_still(person: Person, shows: str) -> bool:
    before = await person.received(shows, "packets")
    await asyncio.sleep(0.3)
    return await person.received(shows, "packets") == before


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
async def test_a_camera_goes_off_and_comes_back_without_an_offer(meeting: Meeting, kind: Kind) -> None:
    a, b = await meeting.enter("a", kind), await meeting.enter("b")
    for _ in range(3):
        await b.sees("a")
        await a.do("camera", False)
        await until(lambda: is_still(b, "a"), "the camera is off")
        await b.hears("a")
        await a.do("camera", True)
    await b.sees("a")
    assert len(meeting.offers) == 2


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
async def test_ice_restarts_under_running_media(meeting: Meeting, kind: Kind) -> None:
    a, b = await meeting.enter("a", kind), await meeting.enter("b")
    await asyncio.gather(a.sees("b"), b.sees("a"))
    before = (await a.stats())["inbound"]
    for _ in range(3):
        await a.do("restart")
        await asyncio.gather(a.sees("b"), b.sees("a"), a.hears("b"), b.hears("a"))
    after = (await a.stats())["inbound"]
    assert {mid: one["ssrc"] for mid, one in before.items()}.items() <= {
        mid: one["ssrc"] for mid, one in after.items()
    }.items()
    assert meeting.permanent() == []
    assert len(meeting.offers) == 5


async def test_a_person_replaces_another_in_a_slot(meeting: Meeting) -> None:
    a, b = await meeting.enter("a"), await meeting.enter("b")
    c = await meeting.enter("c", slots="avv")
    for person in (a, b, c):
        await person.do("silence")  # from here on the test says who speaks
    await until(lambda: silent(meeting), "nobody speaks")
    await asyncio.gather(a.sees("b"), b.sees("a"))
    steady = await a.received("b", "freezes") + await b.received("a", "freezes")
    slot = (await c.stats())["inbound"]["4"]
    for speaker in ((b, a) if c.slot("a") else (a, b)) * 5:
        before = (await c.stats())["inbound"]["4"]["keyFrames"]
        meeting.speak(speaker)
        await until(lambda before=before: key_frame(c, before), f"{speaker.name} comes in")  # type: ignore[misc]
        await c.sees(speaker.name)
    after = (await c.stats())["inbound"]["4"]
    assert (after["ssrc"], after["lost"]) == (slot["ssrc"], 0)
    # on a machine that is too busy everybody's picture stutters; those who change must not do so more
    steady = await a.received("b", "freezes") + await b.received("a", "freezes") - steady
    assert after["freezes"] - slot["freezes"] <= steady
    assert len(meeting.offers) == 3


async def key_frame(person: Person, before: int) -> bool:
    return bool((await person.stats())["inbound"]["4"]["keyFrames"] > before)


async def silent(meeting: Meeting) -> bool:
    return [event for event in meeting.said if isinstance(event, SpeakersChanged)][-1].speakers == ()


async def test_more_slots_are_offered_while_media_runs(meeting: Meeting) -> None:
    a, b = await meeting.enter("a", slots="avv"), await meeting.enter("b")
    c = await meeting.enter("c")
    await a.sees("b")
    assert meeting.slots[a.name].wanted == 2
    await a.do("more", "av")
    await asyncio.gather(a.sees("b"), a.sees("c"), a.hears("c"), b.sees("a"), c.sees("a"))


async def test_a_screen_has_its_own_slot(meeting: Meeting) -> None:
    a, b = await meeting.enter("a"), await meeting.enter("b")
    await a.do("share")
    meeting.room.status(a.name, camera=True, screen=True)
    await asyncio.gather(b.sees("a"), b.sees("a", source="screen"))
    assert len(meeting.offers) == 2


@pytest.mark.parametrize(
    ("meeting", "codec"),
    [(("H264", "VP8"), "H264"), (("VP9", "VP8"), "VP9"), (("AV1", "VP8"), "AV1")],
    indirect=["meeting"],
)
async def test_codecs(meeting: Meeting, codec: str) -> None:
    a, b = await meeting.enter("a"), await meeting.enter("b")
    await asyncio.gather(a.sees("b"), b.sees("a"))
    assert {(await person.stats())["inbound"]["6"]["codec"] for person in (a, b)} == {codec}


@pytest.mark.parametrize("meeting", [("H264", "VP8")], indirect=True)
async def test_firefox_without_h264_joins_a_visit_in_h264(meeting: Meeting) -> None:
    a, b = await meeting.enter("a"), await meeting.enter("b")
    await asyncio.gather(a.sees("b"), b.sees("a"))
    c = await meeting.enter("c", "firefox")
    await until(lambda: told(meeting, 2), "the senders are told")
    for person in (a, b):
        await person.do("codec", "VP8")
    await asyncio.gather(c.sees("a", frames=1, within_s=2), c.sees("b", frames=1, within_s=2))
    await asyncio.gather(a.sees("b"), a.sees("c"), b.sees("a"), b.sees("c"))
    assert meeting.wanted() == [("a", "VP8"), ("b", "VP8")]


async def told(meeting: Meeting, count: int) -> bool:
    return len(meeting.wanted()) == count


@pytest.mark.parametrize(
    ("sends", "receives"), [("chromium", "chromium"), ("chromium", "firefox"), ("firefox", "chromium")]
)
@pytest.mark.timeout(240)
async def test_a_slot_goes_from_layer_to_layer_without_an_error(meeting: Meeting, sends: Kind, receives: Kind) -> None:
    a = await meeting.enter("a", sends, camera=LAYERED, layers=list(WIDTHS), most=900_000)
    b, c = await meeting.enter("b", receives), await meeting.enter("c")
    await asyncio.gather(b.sees("a"), b.sees("c"))
    await until(lambda: all_layers(a), "three layers are sent", within_s=30)
    slot = next(down for down in b.peer.downs if down.slot.mid == b.slot("a"))
    mid = slot.slot.mid
    first = (await b.stats())["inbound"][mid]
    for rid in SWITCHES:
        before = (await b.stats())["inbound"][mid]
        up = (a if rid else c).peer.ups["camera"].id
        meeting.engine.route(slot.id, up, rid)
        width = WIDTHS[rid] if rid else 640
        await until(lambda width=width: is_wide(b, mid, width), f"{rid} comes in, {width} wide", within_s=5)  # type: ignore[misc]
        await b.sees("a", frames=5)
        after = (await b.stats())["inbound"][mid]
        assert after["keyFrames"] > before["keyFrames"] or receives == "firefox"
    last = (await b.stats())["inbound"][mid]
    grown = {what: last[what] - first[what] for what in ("keyFrames", "plis", "nacks", "lost", "dropped", "frozen")}
    assert last["ssrc"] == first["ssrc"]
    assert grown["plis"] <= 2
    assert grown["frozen"] < 0.3 * len(SWITCHES)
    assert grown["keyFrames"] >= len(SWITCHES) or receives == "firefox"
    meeting.engine.route(slot.id, None)
    await asyncio.sleep(1.5)  # counts are told once a second
    end, sent = (await b.stats())["inbound"][mid], meeting.engine.track_counters(slot.id)
    # A receiver expects by the numbers no more than was sent: none was skipped, whatever a busy machine dropped. What
    # came late after all, Firefox goes on counting as lost.
    lost = end["lost"] if receives == "chromium" else 0
    assert end["packets"] + lost <= sent["packets"] + sent["repaired"]


async def all_layers(person: Person) -> bool:
    """Whether each layer has been encoded lately, at its size."""
    before = (await person.stats())["outbound"]
    await asyncio.sleep(0.5)
    after = (await person.stats())["outbound"]
    return all(
        f"1:{rid}" in before
        and after[f"1:{rid}"]["frames"] > before[f"1:{rid}"]["frames"]
        and after[f"1:{rid}"]["width"] == width
        for rid, width in WIDTHS.items()
    )


async def is_wide(person: Person, mid: str, width: int) -> bool:
    return bool((await person.stats())["inbound"][mid]["width"] == width)


@pytest.mark.parametrize("receives", ["chromium", "firefox"])
@pytest.mark.timeout(240)
async def test_a_narrow_way_to_the_receiver_caps_the_sender_and_lets_go(meeting: Meeting, receives: Kind) -> None:
    way = await meeting.narrow("b")
    a, b = await meeting.enter("a", picture="moving"), await meeting.enter("b", receives)
    await b.sees("a")
    await until(lambda: allowed(a, 1_000_000), "the sender may send 1 Mbit/s", within_s=15)
    way.rate_bps = 500_000
    await until(lambda: capped(meeting, 200_000, 600_000), "the sender is capped", within_s=15)
    await b.sees("a")
    beyond = 0
    for _ in range(40):
        await asyncio.sleep(0.25)
        beyond += await capped(meeting, 700_000, 10_000_000)
    assert beyond <= (0 if meeting.engine.estimates else 20)  # who knows of losses only is told late how many
    await b.sees("a")
    way.rate_bps = None
    await until(lambda: let_go(meeting), "the sender is let go", within_s=60)
    await until(lambda: allowed(a, 1_000_000), "the sender may send 1 Mbit/s again", within_s=15)


async def capped(meeting: Meeting, least: int, most: int) -> bool:
    cap = meeting.room._participants[Name("a")].capped_bps
    return cap is not None and least <= cap <= most


async def let_go(meeting: Meeting) -> bool:
    return meeting.room._participants[Name("a")].capped_bps is None
