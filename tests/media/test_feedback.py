"""Transport-wide feedback: what was built says when each packet came, whatever the pattern of loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import feedback, rtcp
from media.feedback import MAX_STATUSES, TransportFeedback, transport_feedback
from tests.data import datagrams

WRAP_US = (1 << 24) * 64_000  # the reference time wraps after twelve days
MS = 1000


def said(reports: list[TransportFeedback]) -> list[tuple[int, int | None]]:
    assert [packet for report in reports for packet in rtcp.parse(rtcp.pack([report]))] == reports
    return [arrival for report in reports for arrival in report.arrivals()]


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ([(1, 64 * MS), (2, 65 * MS)], [(1, 64 * MS), (2, 65 * MS)]),
        ([(1, 0), (3, 20 * MS)], [(1, 0), (2, None), (3, 20 * MS)]),
        ([(1, None), (2, 500)], [(1, None), (2, 500)]),
        ([(65535, 0), (65536, 250)], [(65535, 0), (0, 250)]),
        ([(7, 1 * MS), (8, 0)], [(7, 1 * MS), (8, 0)]),  # reordered: a negative delta
        ([(7, 249)], [(7, 0)]),
        ([(7, 0), (8, None)], [(7, 0)]),  # a loss at the end may still be late
        ([(7, None)], []),
        ([], []),
    ],
)
def test_says_what_arrived(arrivals: list[tuple[int, int | None]], expected: list[tuple[int, int | None]]) -> None:
    assert said(transport_feedback(1, 2, 0, arrivals)) == expected


@pytest.mark.parametrize(
    ("arrivals", "sizes"),
    [
        ([(1, 0), (2, 8_191_750)], [2]),
        ([(1, 0), (2, 8_192_000)], [1, 1]),
        ([(n, n * MS) for n in range(MAX_STATUSES)], [MAX_STATUSES]),
        ([(n, n * MS) for n in range(MAX_STATUSES + 1)], [MAX_STATUSES, 1]),
        ([(1, 0), (40_000, MS)], [1, 1]),  # a jump, not 39,998 losses
    ],
)
def test_is_split_where_one_packet_cannot_hold_it(arrivals: list[tuple[int, int | None]], sizes: list[int]) -> None:
    reports = transport_feedback(1, 2, 255, arrivals)
    assert [len(report.deltas) for report in reports] == sizes
    assert [report.count for report in reports] == [255, 0][: len(sizes)]
    assert max(len(rtcp.pack([report])) for report in reports) < 1200


gaps = st.integers(1, 3) | st.integers(1, 40)
steps = st.sampled_from([0, 250, 1000, 5000, -2000, 100_000]) | st.integers(0, 3_000_000)


@given(st.integers(0, 1 << 20), st.integers(0, 1 << 43), st.lists(st.tuples(gaps, steps), min_size=1, max_size=80))
def test_any_pattern_comes_back(sequence: int, now_us: int, pattern: list[tuple[int, int]]) -> None:
    arrivals: list[tuple[int, int | None]] = []
    for gap, step in pattern:
        sequence, now_us = sequence + gap, max(0, now_us + step)
        arrivals.append((sequence, now_us))
    received = [(n, us % WRAP_US) for n, us in said(transport_feedback(1, 2, 0, arrivals)) if us is not None]
    assert received == [(n & 0xFFFF, us // 250 * 250 % WRAP_US) for n, us in arrivals if us is not None]


@pytest.mark.parametrize(
    ("symbols", "chunks"),  # lost, small, Large
    [
        ("s", "2001"),
        ("L", "4001"),
        ("-s", "c400"),
        ("ssssssL", "d556"),
        ("sssssssL", "2007 4001"),
        ("LLLLLLLs", "4007 2001"),
        ("-------s-------L", "8040 c800"),
        ("-s-s-s-s", "9540"),
        ("-s-s-s-", "c444"),
        ("-s-s-s-sL", "c444 d800"),
        ("-s-s-s-s-s-s-sL", "9555 4001"),
        ("sssssssssssssL", "200d 4001"),
        ("----------------L", "0010 4001"),
        ("sssssssL-------", "2007 e000 0001"),
    ],
)
def test_chunks_are_chosen_as_libwebrtc_does(symbols: str, chunks: str) -> None:
    deltas = tuple({"-": None, "s": 1, "L": 1000}[symbol] for symbol in symbols)
    wire = feedback.write(TransportFeedback(1, 2, 3, 4, 5, deltas))
    times = symbols.replace("-", "").replace("s", "01").replace("L", "03e8")
    assert wire[16:] == bytes.fromhex(chunks + times)


def test_captured_feedback_comes_back() -> None:
    reports = [
        packet for data in datagrams("*-rtcp") for packet in rtcp.parse(data) if isinstance(packet, TransportFeedback)
    ]
    assert any(None in report.deltas for report in reports)
    for report in reports:
        assert feedback.read(feedback.write(report)) == report


@pytest.mark.parametrize(
    ("wire", "sentence"),
    [
        ("00000001 00000002 0001", "transport feedback is truncated"),
        ("00000001 00000002 0001 0000 00000000 0000", "transport feedback has no or too many packets"),
        ("00000001 00000002 0001 2000 00000000 1fff", "transport feedback has no or too many packets"),
        ("00000001 00000002 0001 0001 00000000 6001", "transport feedback has a reserved symbol"),
        ("00000001 00000002 0001 0002 00000000 2001", "transport feedback is truncated"),
        ("00000001 00000002 0001 0001 00000000 2001", "transport feedback is truncated"),
        ("00000001 00000002 0001 0001 00000000 4001 00", "transport feedback is truncated"),
    ],
)
def test_refused(wire: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        feedback.read(bytes.fromhex(wire))


def test_a_chunk_of_no_packets_ends() -> None:
    with pytest.raises(ValueError, match="truncated"):
        feedback.read(bytes.fromhex("00000001 00000002 0001 0001 00000000 0000 0000"))
