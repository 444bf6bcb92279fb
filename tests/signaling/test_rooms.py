"""signaling/room.py and rooms.py: a visit as its people live it, over real sockets."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from media.room import CodecWanted, Connected, Disconnected, Name, SpeakersChanged
from medinova_rt import audit
from medinova_rt.errors import Unavailable
from medinova_rt.ids import SeatId
from medinova_rt.principals import Role
from signaling.messages import Close
from tests.signaling.stage import OFFER, SERVICE, Page, Stage, phases, until

EVERYONE = (Role.CLINICIAN, Role.PATIENT, Role.CARER, Role.INTERPRETER)


# --- waiting and being let in ---


async def test_whoever_waits_sees_themselves_and_the_clinicians(stage: Stage) -> None:
    visit = await stage.visit(*EVERYONE)
    clinician, patient, carer, interpreter = (seat.id for seat in visit.seats)
    inside = await stage.meet(visit, seats=(0, 1))
    waiting = await stage.join(visit, 2)
    await inside[0].send("chat", key="k", text="between us")
    await inside[1].next("chat-line")
    stage.room().say(SpeakersChanged((Name(patient),)))
    await inside[1].next("speakers")
    again = await stage.join(visit, 2)
    for page in (waiting, again):
        assert phases(page.heard[0]["participants"]) == {clinician: "present", carer: "waiting"}
        assert (page.heard[0]["chat"], page.heard[0]["slots"], page.heard[0]["speakers"]) == ([], [], [])
    assert await waiting.over() == Close.TAKEN_ELSEWHERE
    assert set(waiting.types()) <= {"welcome", "participant"}
    assert patient not in {each.get("seat") for each in waiting.heard}
    # the clinician sees who waits, the patient does not
    await inside[0].next("participant", seat=carer, phase="waiting")
    await inside[1].settle()
    assert carer not in {each.get("seat") for each in inside[1].heard}
    assert interpreter in {each["seat"] for each in inside[0].heard[0]["participants"]}


async def test_being_let_in_opens_the_gate_and_brings_what_was_withheld(stage: Stage) -> None:
    visit = await stage.visit(*EVERYONE)
    clinician, patient, carer, _ = (seat.id for seat in visit.seats)
    first, second = await stage.meet(visit, seats=(0, 1))
    await first.send("chat", key="k", text="before you came")
    await second.next("chat-line")
    late = await stage.join(visit, 2)
    await late.send("offer", number=1, sdp=OFFER)
    await late.next("answer", number=1)
    assert f"admit {carer}" not in stage.room().log
    await first.send("admit", seat=carer)
    await late.next("participant", seat=carer, phase="present")
    await late.next("slots")
    assert f"admit {carer}" in stage.room().log
    known = {each["seat"] for each in late.heard if each["type"] == "participant"}
    assert known >= {carer, patient}
    assert [each["text"] for each in late.heard if each["type"] == "chat-line"] == ["before you came"]
    assert {each["seat"] for each in late.heard[-1]["slots"]} == {clinician, patient}
    await second.next("participant", seat=carer, phase="present")


async def test_being_let_in_starts_the_visit_and_outlives_the_server(stage: Stage) -> None:
    visit = await stage.visit()
    first, second = await stage.meet(visit)
    await first.next("visit", state="live")
    assert {"type": "visit", "state": "live"} in second.heard
    first.cut()
    second.cut()
    await until(lambda: not stage.hub._sockets)
    restarted = Stage()
    restarted.store, restarted.visits, restarted.entrance = stage.store, stage.visits, stage.entrance
    restarted.hub._desk = replace(restarted.hub._desk, store=stage.store, visits=stage.visits)
    restarted.hub.rooms._visits = stage.visits
    await restarted.open()
    page = await restarted.join(visit, 1, resume="from before")
    assert page.heard[0]["resumed"] is False
    assert page.heard[0]["state"] == "live"
    assert phases(page.heard[0]["participants"])[visit.seats[1].id] == "present"
    await restarted.close()


async def test_letting_in_twice_or_nobody_at_all(stage: Stage) -> None:
    visit = await stage.visit()
    first, _ = await stage.meet(visit)
    await first.send("admit", seat=visit.seats[1].id)
    await first.settle()
    await first.send("admit", seat="sea-nobody")
    assert (await first.next("error"))["code"] == "not-found"


@pytest.mark.parametrize("message", [{"type": "admit", "seat": "sea-x"}, {"type": "end"}])
async def test_only_a_clinician_may(stage: Stage, message: dict[str, str]) -> None:
    visit = await stage.visit()
    _, patient = await stage.meet(visit)
    await patient.send(**message)
    assert (await patient.next("error"))["code"] == "forbidden"
    assert stage.count("refused.forbidden") == 1
    denied = [each for each in await audit.trail(stage.store, visit.id) if each.outcome == "denied"]
    assert [each.actor for each in denied] == [visit.seats[1].id]


# --- chat ---


async def test_chat_is_stored_before_it_is_told_and_said_once_per_key(stage: Stage) -> None:
    visit = await stage.visit()
    first, second = await stage.meet(visit)
    for _ in range(2):
        await first.send("chat", key="k1", text="hello")
    lines = [await first.next("chat-line") for _ in range(2)]
    assert lines[0] == lines[1]
    assert lines[0]["seat"] == visit.seats[0].id
    assert lines[0]["said_at"] == "2026-11-24T10:00:00.000000Z"
    await second.settle()
    assert second.types().count("chat-line") == 1
    assert [each.text for each in await stage.visits.chat_lines(visit.id)] == ["hello"]
    again = await stage.join(visit, 1)
    assert [each["key"] for each in again.heard[0]["chat"]] == ["k1"]


async def test_whoever_waits_cannot_chat(stage: Stage) -> None:
    visit = await stage.visit()
    clinician, patient = await stage.join(visit, 0), await stage.join(visit, 1)
    await patient.send("chat", key="k", text="hello?")
    assert (await patient.next("error"))["code"] == "wrong-state"
    await clinician.settle()
    assert "chat-line" not in clinician.types()


async def test_a_store_that_does_not_answer_is_an_error_and_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def say(*_: object) -> None:
        raise Unavailable("the store does not answer")

    visit = await stage.visit()
    first, second = await stage.meet(visit)
    monkeypatch.setattr(stage.visits, "say", say)
    await first.send("chat", key="k", text="hello")
    assert (await first.next("error"))["code"] == "unavailable"
    await first.settle()
    await second.settle()


# --- status, network, what media reports ---


async def test_status_and_network_are_seen_by_the_others_and_by_whoever_comes_later(stage: Stage) -> None:
    visit = await stage.visit()
    patient = visit.seats[1].id
    first, second = await stage.meet(visit)
    await second.send("status", microphone=True, camera=False, screen=True, interrupted=True)
    await second.send("network", mark="poor")
    await first.next("participant", seat=patient, screen=True, microphone=True, interrupted=True, network="poor")
    assert f"status {patient} camera=False screen=True" in stage.room().log
    late = await stage.join(visit, 0)
    [shown] = [each for each in late.heard[0]["participants"] if each["seat"] == patient]
    assert (shown["microphone"], shown["camera"], shown["screen"], shown["network"]) == (True, False, True, "poor")


async def test_what_media_reports_is_told_by_seat(stage: Stage) -> None:
    visit = await stage.visit()
    clinician, patient = (seat.id for seat in visit.seats)
    first, second = await stage.meet(visit)
    for page in (first, second):
        await page.send("offer", number=1, sdp=OFFER)
        await page.next("answer")
    slots = await second.next("slots", wanted=1)
    assert slots["slots"] == [{"mid": "3", "kind": "audio", "source": "person", "seat": clinician}]
    stage.room().say(SpeakersChanged((Name(patient), Name(clinician))))
    assert (await first.next("speakers"))["seats"] == [patient, clinician]
    stage.room().say(CodecWanted(Name(patient), "H264"))
    assert (await second.next("codec"))["codec"] == "H264"
    stage.room().say(Connected(Name(patient)))
    stage.room().say(Disconnected(Name(patient), permanent=False))
    stage.room().say(CodecWanted(Name("sea-gone"), "H264"))
    late = await stage.join(visit, 0)
    assert late.heard[0]["speakers"] == [patient, clinician]


async def test_an_offer_that_cannot_be_answered_changes_nothing(stage: Stage) -> None:
    visit = await stage.visit()
    page = await stage.join(visit, 0)
    await page.send("offer", number=1, sdp="nonsense")
    error = await page.next("error")
    assert (error["code"], error["number"], error["detail"]) == ("bad-input", 1, "the offer is not SDP")
    assert stage.count("bad-offer") == 1
    await page.send("offer", number=1, sdp=OFFER)
    await page.next("answer", number=1)


# --- the end ---


async def test_leaving_is_seen_at_once(stage: Stage) -> None:
    visit = await stage.visit()
    patient = visit.seats[1].id
    first, second = await stage.meet(visit)
    await second.send("leave")
    assert await second.over() == 1000
    await first.next("participant", seat=patient, phase="away")
    assert f"leave {patient}" in stage.room().log
    back = await stage.join(visit, 1)
    assert phases(back.heard[0]["participants"])[patient] == "present"
    actions = [each.action for each in await audit.trail(stage.store, visit.id)]
    assert "visit.leave" in actions


async def test_the_last_one_out_closes_the_room(stage: Stage) -> None:
    visit = await stage.visit()
    page = await stage.join(visit, 0)
    await page.send("leave")
    await page.over()
    await until(lambda: len(stage.hub.rooms) == 0)
    assert stage.room().closed
    await stage.join(visit, 0)
    assert len(stage.plane.rooms) == 2


async def test_ending_tells_everyone_whoever_waits_too(stage: Stage) -> None:
    visit = await stage.visit(*EVERYONE)
    pages = [*await stage.meet(visit, seats=(0, 1)), await stage.join(visit, 2)]
    await pages[0].send("end")
    for page in pages:
        assert await page.over() == Close.ENDED
        assert page.heard[-1] == {"type": "visit", "state": "ended"}
    await until(lambda: len(stage.hub.rooms) == 0)
    again = await stage.socket(visit, 1)
    await again.send("hello", protocol=1, resume=pages[1].heard[0]["resume"])
    assert await again.over() == Close.ENDED
    assert again.heard[0] == {"type": "visit", "state": "ended"}
    joins = [each.action for each in await audit.trail(stage.store, visit.id)].count("visit.join")
    assert joins == 3


async def test_rest_and_jobs_end_a_visit_by_the_port(stage: Stage) -> None:
    visit = await stage.visit()
    page = await stage.join(visit, 1)
    await stage.visits.expire(visit.id, stage.now)
    await stage.hub.rooms.close(visit.id, "expired")
    assert await page.over() == Close.ENDED
    assert page.heard[-1] == {"type": "visit", "state": "missed"}
    await stage.hub.rooms.close(visit.id, "expired")


async def test_a_revoked_link_cuts_whoever_came_by_it_and_nobody_else(stage: Stage) -> None:
    visit = await stage.visit()
    first, second = await stage.meet(visit)
    link = visit.seats[1].links[0].id
    await stage.visits.revoke_link(SERVICE, visit.id, link, stage.now)
    await stage.hub.rooms.revoke(visit.id, link)
    assert await second.over() == Close.REVOKED
    await first.next("participant", seat=visit.seats[1].id, phase="away")
    for resume in (None, second.heard[0]["resume"]):
        back = await stage.socket(visit, 1)
        await back.send("hello", protocol=1, resume=resume)
        assert await back.over() == Close.REVOKED


async def test_a_change_made_elsewhere_is_seen(stage: Stage) -> None:
    visit = await stage.visit()
    clinician, patient = await stage.join(visit, 0), await stage.join(visit, 1)
    _, seat = await stage.visits.add_seat(SERVICE, visit.id, Role.CARER, "Kim", stage.now)
    await stage.visits.revoke_link(SERVICE, visit.id, visit.seats[1].links[0].id, stage.now)
    await stage.hub.rooms.changed(visit.id)
    assert (await clinician.next("participant", seat=seat.id))["name"] == "Kim"
    assert await patient.over() == Close.REVOKED


async def test_a_visit_that_ends_while_somebody_comes_in_lets_nobody_stay(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = await stage.visit()
    lines = stage.visits.chat_lines

    async def slowly(*arguments: Any) -> Any:
        monkeypatch.undo()
        await stage.visits.end(SERVICE, visit.id, stage.now)
        await stage.hub.rooms.close(visit.id, "ended")
        return await lines(*arguments)

    monkeypatch.setattr(stage.visits, "chat_lines", slowly)
    page = await stage.socket(visit, 0)
    await page.send("hello", protocol=1)
    assert await page.over() == Close.ENDED


async def test_a_change_of_one_visit_keeps_nobody_out_of_another(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    visit, busy = await stage.visit(), await stage.visit()
    lines = stage.visits.chat_lines

    async def amid_changes(*arguments: Any) -> Any:
        await stage.hub.rooms.changed(busy.id)
        return await lines(*arguments)

    monkeypatch.setattr(stage.visits, "chat_lines", amid_changes)
    page = await stage.join(visit, 0)
    assert page.heard[0]["type"] == "welcome"


async def test_everyone_at_once(stage: Stage) -> None:
    """Twenty visits with joins, reloads, chat and drops interleaved: each ends up with what its own people did."""
    made = [await stage.visit() for _ in range(20)]

    async def live(number: int) -> None:
        visit = made[number]
        first, second = await stage.meet(visit)
        await first.send("chat", key="a", text=f"visit {number}")
        await second.next("chat-line", text=f"visit {number}")
        second.cut()
        back: Page = await stage.join(visit, 1, resume=second.heard[0]["resume"] if number % 2 else None)
        await back.send("chat", key="b", text=f"again {number}")
        await first.next("chat-line", text=f"again {number}")
        assert {each["seat"] for each in back.heard[0]["participants"]} == {SeatId(seat.id) for seat in visit.seats}

    await asyncio.gather(*(live(number) for number in range(20)))
    assert len(stage.hub.rooms) == 20
    assert stage.count("failed") == 0
