"""Whose packet is it: by MID and RID, by what it was, by declaration, by payload type."""

from typing import Any

import pytest

from bench.sources import EXTENSIONS, OPUS, VP8
from media import rtp
from media.demux import MAX_SSRCS, Demux, Repair
from media.engine import PeerId, UpId, UpParameters
from media.rtp import Packet
from media.uptrack import UpTrack


def line(mid: str = "1", **changes: Any) -> UpTrack:
    values: dict[str, Any] = {
        "kind": "video",
        "mid": mid,
        "codecs": {96: VP8},
        "rtx": {97: 96},
        "extensions": EXTENSIONS,
    }
    return UpTrack(UpId(int(mid)), PeerId(1), UpParameters(**{**values, **changes}))


def audio(mid: str = "0") -> UpTrack:
    return line(mid, kind="audio", codecs={111: OPUS}, rtx={})


def packet(ssrc: int, payload_type: int = 96, **names: str) -> Packet:
    ids = {"mid": EXTENSIONS[rtp.MID], "rid": EXTENSIONS[rtp.RID], "repaired": EXTENSIONS[rtp.REPAIRED_RID]}
    elements = b"".join(rtp.pack_element(ids[name], value.encode()) for name, value in names.items())
    return Packet(rtp.pack_header(0, payload_type, 1, 0, ssrc, rtp.pack_extensions(elements)) + b"xyz")


def found(tracks: list[UpTrack], *packets: Packet) -> str | None:
    """Feed all; tell where the last one belongs, as "mid", "mid/rid", with "~" in front for RTX."""
    demux = Demux()
    for track in tracks:
        demux.add(track)
    result = None
    for each in packets:
        result = demux.find(each)
    if result is None:
        return None
    stream = result.stream if isinstance(result, Repair) else result
    name = stream.track.parameters.mid + (f"/{stream.rid}" if stream.rid else "")
    return "~" + name if isinstance(result, Repair) else name


RIDS = {"rids": ("q", "h", "f")}


@pytest.mark.parametrize(
    ("tracks", "packets", "where"),
    [
        # MID, then the SSRC alone
        ([line("1"), line("2")], [packet(7, mid="2")], "2"),
        ([line("1"), line("2")], [packet(7, mid="2"), packet(7)], "2"),
        ([line("1"), line("2")], [packet(7)], None),
        ([line("1")], [packet(7, mid="9")], None),
        # RID and repaired RID
        ([line("1", **RIDS)], [packet(7, mid="1", rid="h"), packet(7)], "1/h"),
        ([line("1", **RIDS)], [packet(7, mid="1", rid="x")], None),
        ([line("1", **RIDS)], [packet(7, mid="1", rid="h"), packet(8, 97, mid="1", repaired="h")], "~1/h"),
        ([line("1", **RIDS)], [packet(8, 97, mid="1", repaired="h")], None),  # its stream hasn't come yet
        ([line("1", **RIDS)], [packet(7, mid="1")], "1/f"),  # no simulcast: the full one
        ([line("1", **RIDS)], [packet(6, mid="1", rid="f"), packet(7, mid="1")], None),
        # declared SSRCs
        ([line("1", ssrcs=(7,)), line("2", ssrcs=(9,))], [packet(9)], "2"),
        ([line("1", ssrcs=(7,), rtx_ssrcs={8: 7}), line("2")], [packet(7), packet(8, 97)], "~1"),
        ([line("1", ssrcs=(5, 6, 7), **RIDS)], [packet(6)], "1/h"),
        # payload type
        ([audio(), line("1")], [packet(7, 111)], "0"),
        ([audio(), line("1")], [packet(7), packet(8, 97)], "~1"),
        ([audio(), line("1")], [packet(7, 50)], None),
        # a line that moved on to another SSRC
        ([line("1")], [packet(7, mid="1"), packet(8, mid="1")], "1"),
    ],
)
def test_where_a_packet_belongs(tracks: list[UpTrack], packets: list[Packet], where: str | None) -> None:
    assert found(tracks, *packets) == where


def test_a_line_that_moved_on_never_returns() -> None:
    track, demux = line(), Demux()
    demux.add(track)
    old = demux.find(packet(7, mid="1"))
    new = demux.find(packet(8, mid="1"))
    assert demux.find(packet(7, mid="1")) is old
    assert track.streams[""] is new


def test_a_line_set_up_anew_knows_its_ssrcs() -> None:
    demux = Demux()
    first, other = line("1", **RIDS), line("2")
    for track in (first, other):
        demux.add(track)
    demux.find(packet(7, mid="1", rid="h"))
    demux.find(packet(8, 97, mid="1", repaired="h"))
    demux.remove(first)
    assert demux.find(packet(7)) is None
    again = line("1", **RIDS)
    demux.add(again)
    stream = demux.find(packet(7))
    assert stream is again.streams["h"]
    repair = demux.find(packet(8, 97))
    assert isinstance(repair, Repair)
    assert repair.stream is stream


def test_ssrcs_are_bounded() -> None:
    demux = Demux()
    demux.add(line())
    results = [demux.find(packet(ssrc, mid="1")) for ssrc in range(2 * MAX_SSRCS)]
    assert [result is not None for result in results] == [True] * MAX_SSRCS + [False] * MAX_SSRCS
