import asyncio
from pathlib import Path

import pytest

from medinova_rt.adapters import folder_copies
from medinova_rt.adapters.folder_copies import FolderCopies
from medinova_rt.errors import Unavailable
from medinova_rt.ids import ClinicId

ONE = ClinicId("cli-1")


async def opened(folder: Path) -> FolderCopies:
    copies = FolderCopies(folder / "copies")
    await copies.open()
    return copies


async def lines(copies: FolderCopies) -> list[bytes]:
    return [line async for line in copies.read(ONE)]


async def test_lines_are_added_and_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_copies, "BLOCK", 16)
    copies, last = await opened(tmp_path), None
    assert (await copies.last(ONE), await lines(copies), await copies.clinics()) == (None, [], set())
    said = [b'{"number":%d}' % n for n in range(30)]
    for start in range(0, 30, 3):
        await copies.append(ONE, last, said[start : start + 3])
        last = await copies.last(ONE)
        assert last == said[start + 2]
    assert await lines(copies) == said
    assert await copies.clinics() == {ONE}
    assert (tmp_path / "copies" / "cli-1.jsonl").stat().st_mode & 0o777 == 0o600


async def test_whoever_comes_second_adds_nothing(tmp_path: Path) -> None:
    copies = await opened(tmp_path)
    await asyncio.gather(*(copies.append(ONE, None, [b"{%d}" % n]) for n in range(8)))
    assert len(await lines(copies)) == 1


async def test_a_line_that_was_cut_is_written_over(tmp_path: Path) -> None:
    copies = await opened(tmp_path)
    await copies.append(ONE, None, [b"{1}", b"{2}"])
    with (tmp_path / "copies" / "cli-1.jsonl").open("ab") as stream:
        stream.write(b"{3")
    assert await copies.last(ONE) == b"{2}"
    assert await lines(copies) == [b"{1}", b"{2}", b"{3"]
    await copies.append(ONE, b"{2}", [b"{33}"])
    assert await lines(copies) == [b"{1}", b"{2}", b"{33}"]


async def test_a_folder_that_cannot_be_had_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "copies").write_text("a file")
    with pytest.raises(Unavailable):
        await opened(tmp_path)


async def test_a_name_cannot_lead_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        await FolderCopies(tmp_path).last(ClinicId("../cli-1"))
