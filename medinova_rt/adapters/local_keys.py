"""The Keys port on a file of its own, the default: key-encryption keys in JSON, readable by the server's user alone.

A data key is wrapped with AES-256-GCM under the newest version, with its context and that version bound to it. The file
is written whole beside itself and renamed, so that whoever reads it sees it before or after, never in between; what
another process has added is read when it is asked for. Whoever has the file and the key store can open everything: it
belongs into a backup of its own.
"""

import asyncio
import base64
import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from medinova_rt.errors import KeyLost, Unavailable
from medinova_rt.ports import Wrapped

KEPT = 5  # versions that decrypt: the newest and those before; a rotation drops the oldest beyond
NONCE_BYTES = 12
KEY_BYTES = 32
MAX_FILE_BYTES = 64 << 10
FORMAT = 1


class _Version(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    key: str  # base64
    made_at: datetime


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    versions: list[_Version]  # the newest is the last


class LocalKeys:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._ciphers: Mapping[str, AESGCM] = {}
        self._newest = ""
        self._seen: tuple[int, int, int] | None = None  # which file, how long, when it was written

    async def open(self) -> None:
        """Make the file where it is missing; raises Unavailable with a sentence for whoever started the server."""
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        self._ciphers, self._newest, self._seen = {}, "", None

    def exists(self) -> bool:
        return os.path.lexists(self._path)

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        await self._look_again()
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, key, _bound(self._newest, context))
        return Wrapped(self._newest, nonce + sealed)

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        if wrapped.version not in self._ciphers:
            await self._look_again()
        cipher = self._ciphers.get(wrapped.version)
        if cipher is None:
            raise KeyLost("that version of the key-encryption key is not there")
        nonce, sealed = wrapped.data[:NONCE_BYTES], wrapped.data[NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, sealed, _bound(wrapped.version, context))
        except (InvalidTag, ValueError):
            raise KeyLost("the key-encryption key is not the one that wrapped this") from None

    async def newest(self) -> str:
        await self._look_again()
        return self._newest

    async def versions(self) -> tuple[str, ...]:
        """Those that decrypt, the oldest first."""
        await self._look_again()
        return tuple(self._ciphers)

    async def going(self) -> str | None:
        """The version that the next rotation drops, if any."""
        versions = await self.versions()
        return versions[0] if len(versions) >= KEPT else None

    async def rotate(self) -> str:
        return await asyncio.to_thread(self._rotate)

    async def _look_again(self) -> None:
        await asyncio.to_thread(self._read)

    # --- in a thread ---

    def _open(self) -> None:
        try:
            with _alone_in(self._path.resolve().parent):
                if not self.exists():
                    self._put(_File(FORMAT, [_new(1)]))
        except OSError:
            raise Unavailable(f"{self._path.name} cannot be made here", permanent=True) from None
        self._read()

    def _read(self) -> None:
        """Read the file, unless it is the one that was read last; raises Unavailable."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise Unavailable(f"{self._path.name} is not there, or cannot be read") from None
        with os.fdopen(descriptor, "rb") as stream:
            facts = os.fstat(stream.fileno())
            seen = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
            if seen == self._seen:
                return
            # of what was opened, wherever a link led to
            if facts.st_mode & 0o077 or not stat.S_ISREG(facts.st_mode):
                raise Unavailable(
                    f"{self._path.name} can be read by others: chmod 600 it, and make new keys if they may have been",
                    permanent=True,
                )
            if facts.st_uid not in (os.geteuid(), 0):
                raise Unavailable(f"{self._path.name} is another user's", permanent=True)
            data = stream.read(MAX_FILE_BYTES + 1)
        try:
            held = msgspec.json.decode(data[:MAX_FILE_BYTES], type=_File)
            ciphers = {each.id: AESGCM(base64.b64decode(each.key, validate=True)) for each in held.versions}
            if held.format != FORMAT or not ciphers:
                raise ValueError("another format")
        except ValueError:  # msgspec's errors are ValueErrors
            raise Unavailable(f"{self._path.name} holds no key-encryption keys", permanent=True) from None
        self._ciphers, self._newest, self._seen = ciphers, held.versions[-1].id, seen
        self._held = held

    def _rotate(self) -> str:
        with _alone_in(self._path.resolve().parent):
            self._read()
            held = self._held
            new = _new(int(held.versions[-1].id) + 1)
            self._put(_File(FORMAT, [*held.versions, new][-KEPT:]))
        self._read()
        return new.id

    def _put(self, held: _File) -> None:
        """Whole or not at all, and on disk; raises Unavailable."""
        path = self._path.resolve()
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(msgspec.json.encode(held))
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(draft, path)
            finally:
                draft.unlink(missing_ok=True)
            _sync(path.parent)
        except OSError:
            raise Unavailable(f"{path.name} cannot be written", permanent=True) from None


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Of two processes that write at once, the second waits, and sees what the first one wrote."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new(number: int) -> _Version:
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return _Version(str(number), key, datetime.now(UTC))


def _bound(version: str, context: bytes) -> bytes:
    return f"{version}\n".encode() + context
