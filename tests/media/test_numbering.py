"""Numbers out for numbers in: f forwards, d drops, c closes; the source's packets in the order they came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.numbering import MAX_INTERVALS, Numbering


def play(moves: str, first: int | None = None, first_out: int | None = None) -> tuple[Numbering, list[int | None]]:
    numbering: Numbering | None = None
    out: list[int | None] = []
    for move in moves.split():
        seq = int(move[1:] or 0)
        if numbering is None:
            numbering = Numbering(seq if first is None else first, seq if first_out is None else first_out)
        match move[0]:
            case "f":
                out.append(numbering.forward(seq))
            case "d":
                filled = numbering.drop(seq)
                out += [] if filled is None else [filled]
            case _:
                numbering.close()
    assert numbering is not None
    return numbering, out


@pytest.mark.parametrize(
    ("moves", "out"),
    [
        ("f1 f2 f3", [1, 2, 3]),
        ("f65535 d65536 f65537", [65535, 65536]),
        ("f1 d2 d3 f4", [1, 2]),
        ("f1 d2 f3 d4 f5", [1, 2, 3]),
        ("f1 f3 f2", [1, 3, 2]),  # late
        ("f1 d3 f4 f2", [1, 3, 2]),  # late, from before a drop
        ("f1 d2 f4 d5 f6 f3", [1, 3, 4, 2]),  # late, between two drops
        ("f1 d2 f3 f2", [1, 2, None]),  # dropped means dropped
        ("f1 d2 d3 f4 f3 f2", [1, 2, None, None]),
        ("f1 f4 d3 f5", [1, 4, 3, 5]),  # dropped late: its number was passed over, so it is filled
        ("f5 f4", [5, None]),  # from before the map
        ("f1 f2 c f3 f2", [1, 2, None, 2]),  # closed: only what is late
        ("f1 f3 c f2 f4", [1, 3, 2, None]),
        ("f1 c d1 d2", [1, 1]),
    ],
)
def test_numbers_out(moves: str, out: list[int | None]) -> None:
    assert play(moves)[1] == out


def test_a_drop_at_the_start_takes_no_number() -> None:
    assert play("d10 d11 f12", first=10, first_out=500)[1] == [500]


@pytest.mark.parametrize(
    ("moves", "asked", "source"),
    [
        ("f1 f2 f3", 2, 2),
        ("f1 d2 f3 f4", 2, 3),
        ("f1 d2 d3 f4 d5 f6", 3, 6),
        ("f1 d2 d3 f4 d5 f6", 1, 1),
        ("f1 f2", 3, None),  # not yet
        ("f1 d2", 2, None),
        ("f5 f6", 4, None),
    ],
)
def test_the_way_back(moves: str, asked: int, source: int | None) -> None:
    assert play(moves)[0].source_of(asked) == source


@given(st.lists(st.booleans(), min_size=1, max_size=100), st.integers(0, 1 << 20))
def test_in_order_there_is_no_gap_and_every_number_leads_back(drops: list[bool], first_out: int) -> None:
    numbering = Numbering(70, first_out)
    kept: list[int] = []
    for seq, drop in enumerate(drops, 70):
        if drop:
            assert numbering.drop(seq) is None
        else:
            assert numbering.forward(seq) == first_out + len(kept)
            kept.append(seq)
    assert [numbering.source_of(first_out + at) for at in range(len(kept))] == kept
    assert [numbering.forward(seq) for seq in kept] == list(range(first_out, first_out + len(kept)))


def test_the_map_is_bounded() -> None:
    numbering = Numbering(0, 0)
    for seq in range(10 * MAX_INTERVALS):
        if seq % 2:
            numbering.drop(seq)
        else:
            numbering.forward(seq)
    assert len(numbering._starts) == MAX_INTERVALS
    assert numbering.forward(0) is None
    assert numbering.forward(10 * MAX_INTERVALS) == 5 * MAX_INTERVALS
