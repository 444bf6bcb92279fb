"""signaling/session.py: the tables of the conversation, and that nothing a client says makes it raise."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medinova_rt.ids import SeatId
from medinova_rt.rights import TABLE, Action
from medinova_rt.visits import State
from signaling.effects import Appear, Effect, Greet, Hang, LetGo, Negotiate, OpenGate, Record, Send, Show, Vanish
from signaling.messages import (
    Admit,
    Answer,
    Chat,
    ClientMessage,
    Close,
    End,
    Error,
    Hello,
    Leave,
    Network,
    Offer,
    Pong,
    Status,
    VisitChanged,
)
from signaling.session import ACTIONS, GRACE_S, HOLD_S, TAKES, TRANSITIONS, Ending, Event, Phase, Session

SEAT = SeatId("sea-1")
HELLO = Hello(protocol=1)
STATUS = Status(microphone=True, camera=True, screen=False)
SAMPLES: dict[type[Any], Any] = {
    Hello: HELLO,
    Offer: Offer(1, "v=0"),
    Status: STATUS,
    Network: Network("good"),
    Admit: Admit(SEAT),
    Chat: Chat("k", "hello"),
    End: End(),
    Leave: Leave(),
    Pong: Pong(),
}


def make(phase: Phase) -> Session:
    made = Session()
    if phase is not Phase.GREETING:
        made.entered(admitted=phase is Phase.PRESENT)
    if phase is Phase.OVER:
        made.finish(Ending.LEFT)
    assert made.phase is phase
    return made


def names(effects: list[Effect]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def test_every_message_type_names_an_action_that_somebody_may_do() -> None:
    assert set(ACTIONS) == set(get_args(ClientMessage)) == set(SAMPLES)
    assert all(TABLE[action] for action in ACTIONS.values())


def test_every_phase_says_what_it_takes() -> None:
    assert set(TAKES) == set(Phase)


GREETED = {
    "Hello": ["Send"],
    "Offer": ["Negotiate"],
    "Status": ["Show"],
    "Network": ["Show"],
    "Leave": ["Hang", "Vanish", "LetGo", "Record"],
    "Pong": [],
}
REFUSED = ["Send"]


@pytest.mark.parametrize(
    ("phase", "effects"),
    [
        (Phase.GREETING, {"Hello": ["Enter"]}),
        (Phase.WAITING, {**GREETED, "Admit": REFUSED, "Chat": REFUSED, "End": REFUSED}),
        (Phase.PRESENT, {**GREETED, "Admit": ["LetIn"], "Chat": ["Say"], "End": ["EndVisit"]}),
        (Phase.OVER, {}),
    ],
)
def test_what_each_message_does_in_each_phase(phase: Phase, effects: dict[str, list[str]]) -> None:
    otherwise = ["Hang"] if phase is Phase.GREETING else []
    for kind, message in SAMPLES.items():
        assert names(make(phase).receive(message)) == effects.get(kind.__name__, otherwise), kind


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.PRESENT])
def test_what_is_refused_changes_nothing_and_names_its_offer(phase: Phase) -> None:
    spoken = make(phase)
    [refusal] = spoken.receive(HELLO)
    assert refusal == Send(Error("wrong-state", "you were greeted already"))
    assert spoken.phase is phase


def test_the_table_has_an_arrow_to_the_end_from_everywhere_else() -> None:
    assert {phase for phase, event in TRANSITIONS if event is Event.FINISH} == set(Phase) - {Phase.OVER}
    assert all(phase is not Phase.OVER for phase, _ in TRANSITIONS)


def test_coming_in_to_wait_then_let_in() -> None:
    spoken = Session()
    assert names(spoken.entered(admitted=False)) == ["Appear", "Greet"]
    assert spoken.admitted() == [OpenGate(catch_up=True)]
    assert spoken.phase is Phase.PRESENT
    assert spoken.admitted() == []


def test_coming_in_with_a_right_to_be_there() -> None:
    assert names(Session().entered(admitted=True)) == ["Appear", "Greet", "OpenGate"]


def test_another_protocol_is_told_ours() -> None:
    told, hang = Session().receive(Hello(protocol=7))
    assert told == Send(Error("bad-input", "this server speaks protocol 1"))
    assert isinstance(hang, Hang)
    assert hang.code == Close.BAD_MESSAGE


@pytest.mark.parametrize(
    ("answered", "number", "expected"),
    [
        ([], 1, Negotiate(1, "sdp")),
        ([], 7, Negotiate(7, "sdp")),
        ([1], 1, Send(Answer(1, "answer 1"))),
        ([1], 2, Negotiate(2, "sdp")),
        ([1, 2], 2, Send(Answer(2, "answer 2"))),
        ([1, 2], 1, Send(Error("bad-input", "a later offer was answered already", 1))),
    ],
)
def test_a_repeated_offer_gets_the_same_answer(answered: list[int], number: int, expected: Effect) -> None:
    spoken = make(Phase.WAITING)
    for each in answered:
        spoken.answered(each, f"answer {each}")
    assert spoken.receive(Offer(number, "sdp")) == [expected]


@pytest.mark.parametrize(
    ("after_s", "path_up", "by_page", "effects"),
    [
        (HOLD_S - 0.1, False, False, []),
        (HOLD_S, False, False, ["Vanish"]),
        (HOLD_S, True, False, []),
        (GRACE_S - 0.1, False, False, ["Vanish"]),
        (GRACE_S, False, False, ["Hang", "Vanish", "LetGo", "Record"]),
        (GRACE_S * 100, True, False, []),
        (HOLD_S - 0.1, True, True, []),
        (HOLD_S, True, True, ["Vanish"]),
        (GRACE_S, True, True, ["Hang", "Vanish", "LetGo", "Record"]),
    ],
)
def test_how_long_a_socket_may_be_gone(after_s: float, path_up: bool, by_page: bool, effects: list[str]) -> None:
    spoken = make(Phase.PRESENT)
    assert spoken.waited(50.0, path_up=False) == []
    spoken.lost(100.0, by_page=by_page)
    assert names(spoken.waited(100.0 + after_s, path_up=path_up)) == effects


def test_away_is_told_once_and_forgotten_when_the_path_goes_too() -> None:
    spoken = make(Phase.PRESENT)
    spoken.lost(0.0, by_page=False)
    assert spoken.waited(100.0, path_up=True) == []
    spoken = make(Phase.PRESENT)
    spoken.lost(0.0, by_page=False)
    assert [names(spoken.waited(float(now), path_up=False)) for now in (3, 6, 9)] == [["Vanish"], [], []]
    gone = spoken.waited(40.0, path_up=False)
    assert names(gone) == ["Hang", "Vanish", "LetGo", "Record"]
    assert gone[-1] == Record(Action.VISIT_LEAVE)
    assert spoken.phase is Phase.OVER


def test_resuming_says_again_what_was_on() -> None:
    spoken = make(Phase.PRESENT)
    spoken.receive(STATUS)
    spoken.receive(Network("poor"))
    spoken.lost(0.0, by_page=False)
    spoken.waited(10.0, path_up=False)
    shown = [Show(STATUS), Show(Network("poor"))]
    assert spoken.resumed() == [Appear(), *shown, Greet(resumed=True)]
    assert spoken.waited(1000.0, path_up=False) == []


@pytest.mark.parametrize("ending", Ending)
@pytest.mark.parametrize("phase", [Phase.GREETING, Phase.WAITING, Phase.PRESENT])
def test_an_ending_tells_closes_and_lets_go_once(phase: Phase, ending: Ending) -> None:
    spoken = make(phase)
    assert spoken.finish(ending, State.ENDED) == [
        Send(VisitChanged(State.ENDED)),
        Hang(*ending.value),
        Vanish(),
        LetGo(),
    ]
    assert spoken.finish(ending, State.ENDED) == []
    assert spoken.admitted() == []


def test_leaving_is_recorded() -> None:
    assert make(Phase.PRESENT).receive(Leave())[-1] == Record(Action.VISIT_LEAVE)


MESSAGES = st.sampled_from(list(SAMPLES.values()))
OFFERS = st.builds(Offer, number=st.integers(1, 5), sdp=st.just("v=0"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), MESSAGES),
        st.tuples(st.just("receive"), OFFERS),
        st.tuples(st.just("answered"), st.integers(1, 5)),
        st.tuples(st.just("admitted"), st.none()),
        st.tuples(st.just("lost"), st.booleans()),
        st.tuples(st.just("waited"), st.booleans()),
        st.tuples(st.just("resumed"), st.none()),
        st.tuples(st.just("finish"), st.sampled_from(Ending)),
    ),
    max_size=40,
)


@given(st.booleans(), st.lists(MESSAGES, max_size=5), STEPS)
def test_no_sequence_makes_it_raise_and_after_the_end_it_is_silent(
    admitted: bool, early: list[Any], steps: list[tuple[str, Any]]
) -> None:
    spoken = Session()
    for message in early:
        assert set(names(spoken.receive(message))) <= {"Enter", "Hang", "Send"}
    spoken.entered(admitted=admitted)
    now = 0.0
    for step, argument in steps:
        over = spoken.phase is Phase.OVER
        effects: list[Effect] = []
        match step:
            case "receive":
                effects = spoken.receive(argument)
            case "answered":
                spoken.answered(argument, "v=0")
            case "admitted":
                effects = spoken.admitted()
            case "lost":
                effects = spoken.lost(now, by_page=argument)
            case "waited":
                now += 2.0
                effects = spoken.waited(now, path_up=argument)
            case "resumed":
                effects = spoken.resumed()
            case "finish":
                effects = spoken.finish(argument)
            case _:
                raise AssertionError(step)
        if over:
            assert effects == []
        assert msgspec.json.encode(sent_by(effects))


def sent_by(effects: list[Effect]) -> list[Any]:
    return [effect.message for effect in effects if isinstance(effect, Send)]
