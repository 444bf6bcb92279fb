"""One request for many wishes, and again until it is answered."""

import pytest

from media.keyframe import KeyFrameRequests


@pytest.mark.parametrize(
    ("story", "sent_at"),
    [
        ("a0", [0.0, 0.5, 1.0, 1.5]),  # never answered
        ("a0 s0.3", [0.0]),
        ("a0 a0.1 a0.2 s0.3", [0.0]),
        ("a0 s0.1 a0.2 s0.8", [0.0, 0.5]),  # wanted again too soon: later
        ("a0 s0.1 a0.9 s1.0", [0.0, 0.9]),
        ("s0.1", []),
    ],
)
def test_requests(story: str, sent_at: list[float]) -> None:
    requests = KeyFrameRequests()
    moves = {float(move[1:]): move[0] for move in story.split()}
    sent = []
    for step in range(20):
        now = step / 10
        if moves.get(now) == "a":
            requests.ask()
        elif moves.get(now) == "s":
            requests.seen()
        if requests.due(now):
            sent.append(now)
    assert sent == sent_at
