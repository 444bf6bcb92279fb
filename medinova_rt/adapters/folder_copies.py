"""Copies of the audit trail's checkpoints in a folder: a file for each clinic, a line of JSON for each checkpoint.

The folder is best on a disk that whoever looks after the database cannot write to. A line that was cut, since the
process died in the middle of it, is not counted, and is written over by the next one.
"""

import asyncio
import fcntl
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from medinova_rt.errors import Unavailable
from medinova_rt.ids import ClinicId

BLOCK = 64 << 10
MAX_LINE = 1 << 20  # no document is longer
SUFFIX = ".jsonl"

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z0-9-]{1,40}")


class FolderCopies:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def open(self) -> None:
        """Make the folder where it is missing; raises Unavailable where it cannot be written to."""
        await self._do(lambda: _make(self._folder))

    async def close(self) -> None:
        pass

    async def last(self, clinic: ClinicId) -> bytes | None:
        return await self._do(lambda: _last(self._file(clinic)))

    async def append(self, clinic: ClinicId, after: bytes | None, lines: Sequence[bytes]) -> None:
        await self._do(lambda: _append(self._file(clinic), after, lines))

    async def read(self, clinic: ClinicId) -> AsyncIterator[bytes]:
        """A cut line is the last, and has no brace at its end."""
        place = 0
        while True:
            start = place
            lines = await self._do(lambda: _block(self._file(clinic), start))  # noqa: B023  # awaited here
            if not lines:
                return
            for line in lines:
                place += len(line)
                yield line.removesuffix(b"\n")

    async def clinics(self) -> set[ClinicId]:
        return await self._do(lambda: _clinics(self._folder))

    def _file(self, clinic: ClinicId) -> Path:
        if not _NAME.fullmatch(clinic):
            raise RuntimeError("an id is not well formed")
        return self._folder / f"{clinic}{SUFFIX}"

    async def _do(self, act: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(act)
        except OSError as error:
            raise Unavailable("the copies of the checkpoints cannot be read or written") from error


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError


def _clinics(folder: Path) -> set[ClinicId]:
    files = folder.glob(f"*{SUFFIX}") if folder.is_dir() else ()
    return {ClinicId(file.stem) for file in files if _NAME.fullmatch(file.stem)}


def _whole(file: Path) -> tuple[int, bytes | None]:
    """Where the last whole line ends, and that line."""
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return 0, None
    with file.open("rb") as stream:
        start, tail = size, b""
        while start and tail.count(b"\n") < 2 and len(tail) < 2 * MAX_LINE:
            step = min(BLOCK, start)
            start -= step
            stream.seek(start)
            tail = stream.read(step) + tail
    end = tail.rfind(b"\n")
    return start + end + 1, tail[tail.rfind(b"\n", 0, end) + 1 : end] if end >= 0 else None


def _last(file: Path) -> bytes | None:
    return _whole(file)[1]


def _append(file: Path, after: bytes | None, lines: Sequence[bytes]) -> None:
    is_new = not file.exists()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it is closed
        end, last = _whole(file)
        if last != after:
            return
        os.ftruncate(descriptor, end)
        os.lseek(descriptor, end, os.SEEK_SET)
        rest = b"".join(line + b"\n" for line in lines)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _block(file: Path, start: int) -> list[bytes]:
    """Some lines, each with its end, but a last one that was cut."""
    try:
        with file.open("rb") as stream:
            stream.seek(start)
            return stream.readlines(BLOCK)
    except FileNotFoundError:
        return []
