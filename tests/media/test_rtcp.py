"""RTCP: real compounds come back as the same bytes; damaged ones end in a ValueError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import rtcp
from media.rtcp import (
    FullIntraRequest,
    Goodbye,
    Nack,
    Opaque,
    PictureLoss,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
    SourceDescription,
)
from tests.data import datagrams

CAPTURED = datagrams("*-rtcp")
BLOCK = ReportBlock(0xAABBCCDD, 12, -3, 0x1FFFF, 99, 0x12345678, 65536)

WIRE = [
    ("80c90001 00000001", ReceiverReport(1)),
    (
        "81c90007 00000001 aabbccdd 0cfffffd 0001ffff 00000063 12345678 00010000",
        ReceiverReport(1, (BLOCK,)),
    ),
    (
        "80c80006 00000001 83aa7e8080000000 00000bb8 00000002 000004b0",
        SenderReport(1, 0x83AA7E8080000000, 3000, 2, 1200),
    ),
    ("81ca0003 00000001 0103 616263 000000", SourceDescription(((1, "abc"),))),
    ("81ca0003 00000001 0104 61626364 0000", SourceDescription(((1, "abcd"),))),
    ("82ca0004 00000001 01000000 00000002 01000000", SourceDescription(((1, ""), (2, "")))),
    ("82cb0002 00000001 00000002", Goodbye((1, 2))),
    ("81cd0003 00000001 00000002 00640005", Nack(1, 2, (100, 101, 103))),
    ("81cd0004 00000001 00000002 ffff0001 00640000", Nack(1, 2, (65535, 0, 100))),
    ("81ce0002 00000001 00000002", PictureLoss(1, 2)),
    ("84ce0004 00000001 00000000 00000002 09000000", FullIntraRequest(1, ((2, 9),))),
    ("8fce0005 00000001 00000000 52454d42 01000064 00000002", Remb(1, 100, (2,))),
    ("8fce0005 00000001 00000000 52454d42 010bffff 00000002", Remb(1, 0x3FFFF << 2, (2,))),
    ("81cd0003 00000001 00000002 00640000", Nack(1, 2, (100,))),
    ("80cf0001 00000001", Opaque(bytes.fromhex("80cf000100000001"))),
    ("8fce0003 00000001 00000000 41414141", Opaque(bytes.fromhex("8fce0003000000010000000041414141"))),
]


@pytest.mark.parametrize(("wire", "packet"), WIRE)
def test_wire_form(wire: str, packet: rtcp.Packet) -> None:
    data = bytes.fromhex(wire)
    assert rtcp.parse(data) == [packet]
    assert rtcp.pack([packet]) == data


def test_captured_compounds_come_back_as_the_same_bytes() -> None:
    kinds = set()
    for data in CAPTURED:
        packets = rtcp.parse(data)
        kinds |= {type(packet) for packet in packets}
        assert rtcp.pack(packets) == data
        assert rtcp.is_rtcp(data)
    assert {SenderReport, ReceiverReport, SourceDescription, Nack, PictureLoss, Remb, Goodbye} < kinds
    assert Opaque not in kinds


def test_remb_is_rounded_down() -> None:
    [packet] = rtcp.parse(rtcp.pack([Remb(1, 0xFFFFFFF, (2,))]))
    assert packet == Remb(1, 0xFFFFC00, (2,))


def test_loss_is_kept_within_its_24_bits() -> None:
    block = ReportBlock(1, 0, 1 << 30, 0, 0, 0, 0)
    assert rtcp.parse(rtcp.pack([ReceiverReport(1, (block,))])) == [
        ReceiverReport(1, (ReportBlock(1, 0, 0x7FFFFF, 0, 0, 0, 0),))
    ]


def test_padding_is_dropped() -> None:
    assert rtcp.parse(bytes.fromhex("a1ce0003 00000001 00000002 00000004")) == [PictureLoss(1, 2)]


def test_other_items_of_a_source_description_are_dropped() -> None:
    data = bytes.fromhex("81ca0004 00000001 0203 787878 0101 61 00000000")
    assert rtcp.parse(data) == [SourceDescription(((1, "a"),))]


@pytest.mark.parametrize(
    ("wire", "sentence"),
    [
        ("", "RTCP header is truncated"),
        ("80c9", "RTCP header is truncated"),
        ("40c90001 00000001", "RTCP version is not 2"),
        ("80c90002 00000001", "RTCP packet is truncated"),
        ("81c90001 00000001", "RTCP packet is too short for its type"),
        ("80c80001 00000001", "RTCP packet is too short for its type"),
        ("81ca0002 00000001 01ff6162", "RTCP packet is too short for its type"),
        ("81ca0002 00000001 01026162", "RTCP packet is too short for its type"),
        ("81ca0002 00000001 0102ffff", "RTCP packet is too short for its type"),
        ("81ca0002 00000001 0101ff00", "RTCP source description is not UTF-8"),
        ("82cb0001 00000001", "RTCP packet is too short for its type"),
        ("81cd0001 00000001", "RTCP packet is too short for its type"),
        ("a1cd0004 00000001 00000002 00640005 00000003", "RTCP packet is too short for its type"),
        ("84ce0003 00000001 00000000 00000002", "RTCP packet is too short for its type"),
        ("8fce0005 00000001 00000000 52454d42 02000064 00000002", "RTCP packet is too short for its type"),
        ("8fce0005 00000001 00000000 52454d42 01fc0001 00000002", "REMB bitrate does not fit 64 bits"),
        ("a1ce0003 00000001 00000002 000000ff", "RTCP padding is malformed"),
        ("a0c90000", "RTCP padding is malformed"),
    ],
)
def test_refused(wire: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        rtcp.parse(bytes.fromhex(wire))


def test_captures_cut_anywhere_end_in_a_value_error_or_after_a_whole_packet() -> None:
    for data in CAPTURED:
        for end in range(len(data)):
            _survives(data[:end])


@given(st.sampled_from(CAPTURED), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=20))
def test_damaged_captures_raise_nothing_but_value_error(data: bytes, damage: list[tuple[int, int]]) -> None:
    broken = bytearray(data)
    for position, value in damage:
        broken[position % len(broken)] = value
    _survives(bytes(broken))


@given(
    st.integers(0, 31),
    st.sampled_from([rtcp.SR, rtcp.RR, rtcp.SDES, rtcp.BYE, rtcp.RTPFB, rtcp.PSFB, 204, 207]),
    st.booleans(),
    st.binary(max_size=15).flatmap(lambda some: st.just(some * 4)),
)
def test_made_up_packets_raise_nothing_but_value_error(count: int, kind: int, padded: bool, body: bytes) -> None:
    first = 0x80 | (0x20 if padded else 0) | count
    _survives(bytes((first, kind)) + (len(body) // 4).to_bytes(2, "big") + body)


def _survives(data: bytes) -> None:
    """Either a sentence of ours, or packets that come back as they are."""
    fault = ""
    packets: list[rtcp.Packet] = []
    try:
        packets = rtcp.parse(data)
    except ValueError as error:
        fault = str(error)
    if fault:
        assert fault.startswith(("RTCP ", "REMB ", "transport feedback "))
    else:
        assert rtcp.parse(rtcp.pack(packets)) == packets


def test_what_is_too_much_for_one_datagram_becomes_several() -> None:
    packets: list[rtcp.Packet] = [rtcp.Nack(1, ssrc, tuple(range(0, 17 * 60, 17))) for ssrc in range(12)]
    found = rtcp.compounds([rtcp.PictureLoss(1, 2), *packets])
    assert [packet for compound in found for packet in rtcp.parse(compound)] == [rtcp.PictureLoss(1, 2), *packets]
    assert len(found) == 3
    assert max(map(len, found)) <= rtcp.MAX_COMPOUND_BYTES
    assert rtcp.compounds([]) == []
