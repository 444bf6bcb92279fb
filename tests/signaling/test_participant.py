"""signaling/participant.py: a seat outlives its sockets, and one participant's trouble is no one else's."""

from media.room import Name
from medinova_rt.visits import Visit
from signaling.messages import Close, ServerMessage
from signaling.participant import MAX_INBOX, Participant
from signaling.session import GRACE_S, HOLD_S, Ending
from tests.signaling.stage import OFFER, Stage, phases, until


async def test_a_dropped_socket_resumes_with_its_media_untouched(stage: Stage) -> None:
    visit = await stage.visit()
    patient = visit.seats[1].id
    first, second = await stage.meet(visit)
    await second.send("offer", number=1, sdp=OFFER)
    answer = await second.next("answer")
    await second.send("status", microphone=True, camera=True, screen=False)
    await first.next("participant", seat=patient, camera=True)
    second.cut()
    await until(lambda: len(stage.hub._sockets) == 1)
    await first.send("chat", key="k", text="still there?")
    await first.next("chat-line")
    told = len(first.heard)
    back = await stage.socket(visit, 1, cookie=None)
    await back.send("hello", protocol=1, resume=second.heard[0]["resume"])
    welcome = await back.next("welcome")
    assert (welcome["resumed"], welcome["resume"]) == (True, second.heard[0]["resume"])
    assert [each["text"] for each in welcome["chat"]] == ["still there?"]
    assert welcome["slots"]
    await back.send("offer", number=1, sdp=OFFER)
    assert await back.next("answer") == answer
    assert stage.room().log.count(f"join {patient}") == 1
    assert stage.room().log.count(f"answer {patient}") == 1
    assert f"leave {patient}" not in stage.room().log
    # the blip was invisible
    await first.settle()
    assert [each for each in first.heard[told:] if each.get("seat") == patient] == []
    assert stage.count("resumed") == 1


async def test_resuming_before_the_drop_was_noticed_replaces_the_old_socket(stage: Stage) -> None:
    visit = await stage.visit()
    page = await stage.join(visit, 0)
    back = await stage.join(visit, 0, resume=page.heard[0]["resume"])
    assert back.heard[0]["resumed"] is True
    assert await page.over() == Close.TAKEN_ELSEWHERE
    await back.settle()


async def test_away_is_shown_after_a_hold_and_taken_back_on_return(stage: Stage) -> None:
    visit = await stage.visit()
    patient = visit.seats[1].id
    first, second = await stage.meet(visit)
    await second.send("status", microphone=True, camera=True, screen=False)
    await first.next("participant", seat=patient, camera=True)
    second.cut()
    await until(lambda: len(stage.hub._sockets) == 1)
    await until(lambda: stage.waiting(visit, 1))
    stage.pass_time(HOLD_S + 1)
    away = await first.next("participant", seat=patient, phase="away")
    assert (away["microphone"], away["camera"]) == (False, False)
    back = await stage.join(visit, 1, resume=second.heard[0]["resume"])
    await first.next("participant", seat=patient, phase="present", microphone=True, camera=True)
    assert back.heard[0]["resumed"] is True


async def test_whoever_is_still_seen_is_not_away_and_not_let_go(stage: Stage) -> None:
    visit = await stage.visit()
    patient = visit.seats[1].id
    first, second = await stage.meet(visit)
    stage.room().up.add(Name(patient))
    second.cut()
    await until(lambda: stage.waiting(visit, 1))
    for _ in range(12):
        stage.pass_time(HOLD_S + 1)
        await first.settle()
    assert f"leave {patient}" not in stage.room().log
    assert "away" not in {each.get("phase") for each in first.heard[1:]}
    stage.room().up.discard(Name(patient))
    stage.pass_time(HOLD_S + 1)
    await first.next("participant", seat=patient, phase="away")
    assert f"leave {patient}" in stage.room().log


async def test_after_the_grace_media_is_let_go_and_the_seat_stays(stage: Stage) -> None:
    visit = await stage.visit()
    patient = visit.seats[1].id
    first, second = await stage.meet(visit)
    second.cut()
    await until(lambda: stage.waiting(visit, 1))
    passed = 0.0
    while passed <= GRACE_S + HOLD_S:
        stage.pass_time(HOLD_S + 1)
        passed += HOLD_S + 1
        await first.settle()
    assert stage.room().log[-1] == f"leave {patient}"
    back = await stage.join(visit, 1, resume=second.heard[0]["resume"])
    assert back.heard[0]["resumed"] is False
    assert phases(back.heard[0]["participants"])[patient] == "present"


async def test_a_reload_replaces_media_and_keeps_the_seat(stage: Stage) -> None:
    visit = await stage.visit()
    patient = visit.seats[1].id
    first, second = await stage.meet(visit)
    await second.send("offer", number=1, sdp=OFFER)
    await second.next("answer")
    await second.socket.close()
    again = await stage.join(visit, 1)
    assert again.heard[0]["resumed"] is False
    assert again.heard[0]["resume"] != second.heard[0]["resume"]
    await again.send("offer", number=1, sdp=OFFER)
    await again.next("answer", number=1)
    await again.next("slots", wanted=1)
    assert stage.room().log.count(f"answer {patient}") == 2
    await first.settle()
    assert "away" not in {each.get("phase") for each in first.heard[1:]}


async def test_a_second_device_takes_the_seat_and_the_first_cannot_take_it_back_by_itself(stage: Stage) -> None:
    visit = await stage.visit()
    clinician, old = await stage.meet(visit)
    new = await stage.join(visit, 1)
    assert await old.over() == Close.TAKEN_ELSEWHERE
    assert stage.count("takeover") == 1
    retry = await stage.socket(visit, 1)
    await retry.send("hello", protocol=1, resume=old.heard[0]["resume"])
    assert await retry.over() == Close.TAKEN_ELSEWHERE
    await new.settle()
    await clinician.settle()
    # by hand, it may
    again = await stage.join(visit, 1)
    assert await new.over() == Close.TAKEN_ELSEWHERE
    await again.settle()


async def test_an_offer_still_in_the_queue_is_not_answered_for_whoever_took_the_seat_over(stage: Stage) -> None:
    visit = await stage.visit()
    patient = visit.seats[1].id
    _, old = await stage.meet(visit)
    async with stage.room().turn:
        await old.send("offer", number=1, sdp=OFFER)
        await until(lambda: bool(stage.room().turn._waiters))
        new = await stage.join(visit, 1)
        await new.send("offer", number=1, sdp=OFFER)
    await new.next("answer", number=1)
    assert await old.over() == Close.TAKEN_ELSEWHERE
    assert "answer" not in old.types()
    said = [each for each in stage.room().log if each.endswith(patient)]
    assert said[-5:] == [
        f"join {patient}",
        f"admit {patient}",
        f"answer {patient}",
        f"join {patient}",
        f"answer {patient}",
    ]


async def test_a_resume_of_somebody_else_is_worth_nothing(stage: Stage) -> None:
    visit = await stage.visit()
    first, second = await stage.meet(visit)
    thief = await stage.socket(visit, 1, cookie=None)
    await thief.send("hello", protocol=1, resume=first.heard[0]["resume"])
    assert await thief.over() == Close.NOT_AUTHENTICATED
    await second.settle()


async def test_a_page_that_was_closed_is_away_soon_whatever_its_media_seems_to_do(stage: Stage) -> None:
    visit = await stage.visit()
    patient = visit.seats[1].id
    first, second = await stage.meet(visit)
    stage.room().up.add(Name(patient))
    await second.socket.close(code=1001)
    await until(lambda: stage.waiting(visit, 1))
    stage.pass_time(HOLD_S + 1)
    await first.next("participant", seat=patient, phase="away")


class Line:
    """A socket that only remembers how it was closed."""

    def __init__(self) -> None:
        self.code = 0

    def send(self, message: ServerMessage) -> None:
        pass

    def close(self, code: int, reason: str) -> None:
        self.code = code


def member(stage: Stage, visit: Visit, seat: int) -> Participant:
    room = stage.hub.rooms.get(visit.id)
    assert room is not None
    [found] = [each for each in room.members if each.holder.seat == visit.seats[seat].id]
    assert isinstance(found, Participant)
    return found


async def test_a_socket_that_resumes_just_too_late_is_sent_to_begin_anew(stage: Stage) -> None:
    visit = await stage.visit()
    page, line = await stage.join(visit, 0), Line()
    left = member(stage, visit, 0)
    left.finish(Ending.FORGOTTEN)
    left.attach(line)
    await until(lambda: line.code == Close.SILENT)
    assert await page.over() == Close.SILENT


async def test_a_socket_that_finds_the_queue_full_is_closed_too(stage: Stage) -> None:
    visit = await stage.visit()
    page, line = await stage.join(visit, 0), Line()
    left = member(stage, visit, 0)
    for _ in range(MAX_INBOX):
        left.let_in()
    left.attach(line)
    assert line.code == Close.TOO_FAST
    assert await page.over() == Close.TOO_FAST


async def test_flapping_sockets_leave_one_timer(stage: Stage) -> None:
    visit = await stage.visit()
    page = await stage.join(visit, 0)
    left = member(stage, visit, 0)
    page.cut()
    await until(lambda: stage.waiting(visit, 0))
    for _ in range(5):
        line = Line()
        left.attach(line)
        left.detach(line, by_page=False)
        stage.pass_time(HOLD_S + 1)
        await until(lambda: stage.waiting(visit, 0))
    await until(left._inbox.empty)
    assert len(stage.hub.wheel) == 1


async def test_a_flood_of_happenings_ends_that_session_only(stage: Stage) -> None:
    visit = await stage.visit()
    first, second = await stage.meet(visit)
    crowded = member(stage, visit, 1)
    for _ in range(MAX_INBOX + 1):
        crowded.let_in()
    assert await second.over() == Close.TOO_FAST
    assert stage.count("overrun") == 1
    await first.settle()
