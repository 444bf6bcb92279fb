"""The Store port on Google Firestore, in the cloud or its emulator (FIRESTORE_EMULATOR_HOST).

A compare-and-set is a precondition on the time of the document's last change, in one commit with all else: no
transaction that reads, so nobody waits for a lock.

Every call has a deadline. What failed for a passing reason is tried again a few times, reads and commits alike: each
commit leaves a nonce of its own in what it writes, by which a commit whose answer was lost is known again. Whoever
cannot be told whether a change was made is told Unavailable, never Conflict; it was made as a whole or not at all.
"""

import asyncio
import itertools
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any, TypeVar

import google.auth
import grpc
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport
from google.cloud.firestore_v1.types import Write as FirestoreWrite

from medinova_rt.adapters import firestore_documents
from medinova_rt.adapters.firestore_documents import Names, Writing
from medinova_rt.adapters.firestore_news import News
from medinova_rt.adapters.store_rules import MAX_PAGE_BYTES, Row, Rules, check_value, is_id, page
from medinova_rt.errors import Conflict, Unavailable
from medinova_rt.logs import Log, code
from medinova_rt.ports import Delete, Find, Insert, Page, Stored, Token, Write

MAX_PENDING = 1024  # calls that wait or are under way; more are refused
MAX_PENDING_BYTES = 64 << 20  # of what is to be written
MAX_UNDER_WAY = 100  # as many streams as a connection has; the deadline of who waits has not begun
OPEN_S = 20.0  # for one attempt at the first call, which finds a connection and credentials too
MARK_LIFE = timedelta(days=1)  # of what says that a document was deleted; a TTL policy takes it away
PROBE = ("clinics", "probe")  # a document that need not be there: whether the database answers

COUNTS = ("transacts", "conflicts", "reads", "retries", "recognised", "refused", "failed")

# Between two attempts to connect the library's own pauses would grow to two minutes. `min_…` is how long one may take.
CHANNEL = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 3000),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
KEEP_ALIVE = (("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 10_000))

CONFLICTS = (
    exceptions.AlreadyExists,
    exceptions.FailedPrecondition,
    exceptions.NotFound,
    exceptions.Aborted,
)
PASSING = (
    exceptions.ServiceUnavailable,
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.Unknown,
    exceptions.Cancelled,
    exceptions.TooManyRequests,
    exceptions.Aborted,
)

T = TypeVar("T")

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """With a store in trouble, in seconds."""

    read_s: float = 3.0  # for one attempt
    write_s: float = 5.0
    attempts: int = 3
    pause_s: float = 0.1  # at most so long before the second attempt; doubles

    def pause(self, attempt: int) -> float:
        return random.uniform(0, self.pause_s * 2**attempt)  # noqa: S311  # spreads load, guards nothing


class FirestoreStore:
    def __init__(
        self,
        project: str,
        database: str = "(default)",
        finds: Sequence[Find] = (),
        *,
        told: Sequence[str] = (),
        patience: Patience | None = None,
    ) -> None:
        """`told`: the collections whose changes other processes may want to hear of; the same in all of them."""
        self._names = Names(project, database)
        self._rules = Rules(finds)
        self._writing = Writing(self._names, self._rules, frozenset(told))
        self._patience = patience or Patience()
        self._metadata: tuple[tuple[str, str], ...] = (("google-cloud-resource-prefix", self._names.database),)
        self._source = token_hex(6)  # of all nonces of this store
        self._news: News | None = None
        self._told = tuple(told)
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._turns = asyncio.Semaphore(MAX_UNDER_WAY)
        self._pending = 0
        self._pending_bytes = 0
        self._closing = True  # until open
        self._channel: grpc.aio.Channel | None = None

    def listen(self, changed: Callable[[Write], None], lost: Callable[[], None]) -> None:
        """Tell of what other stores write to the `told` collections; `lost`: some of it may have been missed.

        To be called before `open`. What is told of is changed already; the write's token fits nothing.
        """
        self._news = News(self._names, self._told, self._source, changed, lost)

    async def open(self) -> None:
        """Raises Unavailable: `permanent` where there are no credentials, no such database or no right to it."""
        if os.environ.get("FIRESTORE_EMULATOR_HOST"):
            self._channel = grpc.aio.insecure_channel(os.environ["FIRESTORE_EMULATOR_HOST"], options=CHANNEL)
            self._metadata = (*self._metadata, ("authorization", "Bearer owner"))  # whose rules are nobody's
        else:
            self._channel = await asyncio.get_running_loop().run_in_executor(None, _cloud_channel)
        self._client = FirestoreAsyncClient(transport=FirestoreGrpcAsyncIOTransport(channel=self._channel))
        self._closing = False
        try:
            time = await self._read(self._time)
        except Unavailable:
            await self.close()
            raise
        if self._news is not None:
            self._news.open(self._client, self._metadata, time)

    async def close(self) -> None:
        """Take nothing more and let go of the connection; again is fine."""
        self._closing = True
        if self._news is not None:
            await self._news.close()
        if self._channel is not None:
            await self._channel.close(grace=self._patience.write_s if self._pending else None)
            self._channel = None

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`, the calls `pending` now, and what `News` counts."""
        return {**self._counts, "pending": self._pending, **(self._news.counters() if self._news else {})}

    # --- reading ---

    async def get(self, collection: str, id: str) -> Stored | None:
        if not is_id(id):
            return None
        name = self._names.document(collection, id)
        found = await self._read(lambda: self._documents([name]))
        return firestore_documents.stored(found[0]) if found else None

    async def find(
        self,
        find: Find,
        equal: Sequence[str | int | bool] = (),
        *,
        at_least: str | int | None = None,
        below: str | int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        start = self._rules.position(find, equal, limit, cursor)
        for bound in (at_least, below):
            check_value(bound)
        if firestore_documents.is_empty(at_least, below):
            return Page([], None)
        asked = firestore_documents.query(self._names, find, equal, (at_least, below), start, limit + 1)
        rows = await self._read(lambda: self._rows(asked, find))
        return page(find, equal, rows, limit)

    async def _time(self) -> datetime:
        """By Firestore's own clock, which is the one that counts."""
        probe = {"database": self._names.database, "documents": [self._names.document(*PROBE)]}
        stream = await self._client.batch_get_documents(
            request=probe, retry=None, timeout=OPEN_S, metadata=self._metadata
        )
        times = [type(answer).pb(answer).read_time async for answer in stream]
        return _instant(times[-1])

    async def _documents(self, names: Sequence[str]) -> list[Any]:
        request = {"database": self._names.database, "documents": names}
        stream = await self._client.batch_get_documents(
            request=request, retry=None, timeout=self._patience.read_s, metadata=self._metadata
        )
        answers = [type(answer).pb(answer) async for answer in stream]
        return [answer.found for answer in answers if answer.WhichOneof("result") == "found"]

    async def _rows(self, asked: Any, find: Find) -> list[Row]:
        """As many as a page has room for, and one more."""
        stream: Any = await self._client.run_query(
            request={"parent": self._names.root, "structured_query": asked},
            retry=None,
            timeout=self._patience.read_s,
            metadata=self._metadata,
        )
        rows, size = [], 0
        async for answer in stream:
            message = type(answer).pb(answer)
            if not message.HasField("document"):
                continue
            rows.append(firestore_documents.row(message.document, find))
            size += len(rows[-1].body)
            if size > MAX_PAGE_BYTES:
                stream.cancel()
                break
        return rows

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        self._counts["reads"] += 1
        async with self._turn():
            for attempt in itertools.count():
                try:
                    return await read()
                except PASSING as error:
                    await self._rest(attempt, error)
        raise AssertionError

    # --- writing ---

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        """As the port says. Cancelled, it may or may not be done."""
        bodies = self._rules.bodies(writes)
        if not writes:
            return []
        nonce = f"{self._source}.{token_hex(8)}"
        versions = [_next_version(write) for write in writes]
        made = [self._writing.write(*each, nonce) for each in zip(writes, bodies, versions, strict=True)]
        until = datetime.now(UTC) + MARK_LIFE
        marks = [self._writing.mark(write, nonce, until) for write in writes if isinstance(write, Delete)]
        time = await self._commit([*made, *(mark for mark in marks if mark is not None)], nonce)
        self._counts["transacts"] += 1
        return [_token(write, version, time) for write, version in zip(writes, versions, strict=True)]

    async def _commit(self, writes: Sequence[FirestoreWrite], nonce: str) -> Any:
        """Return the time that all of it was written at."""
        async with self._turn(sum(write._pb.ByteSize() for write in writes)):
            for attempt in itertools.count():
                try:
                    return await self._commit_once(writes)
                except CONFLICTS as error:
                    if attempt == 0:
                        raise self._conflict() from None
                    return await self._recognised(writes, nonce, error)
                except PASSING as error:
                    await self._rest(attempt, error)
        raise AssertionError

    async def _commit_once(self, writes: Sequence[FirestoreWrite]) -> Any:
        response = await self._client.commit(
            request={"database": self._names.database, "writes": writes},
            retry=None,
            timeout=self._patience.write_s,
            metadata=self._metadata,
        )
        return type(response).pb(response).commit_time

    async def _recognised(self, writes: Sequence[FirestoreWrite], nonce: str, error: Exception) -> Any:
        """Return the time of an earlier attempt whose answer was lost; where that can't be told, raise Unavailable."""
        names = [write.update.name for write in writes if write.update.name]
        found = await self._documents(names) if names else []
        for document in found:
            if firestore_documents.nonce(document) == nonce:
                self._counts["recognised"] += 1
                return document.update_time
        raise self._failed(error)

    # --- trouble ---

    @asynccontextmanager
    async def _turn(self, size: int = 0) -> AsyncIterator[None]:
        is_full = self._pending >= MAX_PENDING or self._pending_bytes + size > MAX_PENDING_BYTES
        if self._closing or is_full:
            self._counts["refused"] += 1
            raise Unavailable("the store is closed" if self._closing else "the store has too much to do")
        self._pending += 1
        self._pending_bytes += size
        try:
            async with self._turns:
                if self._closing:
                    raise Unavailable("the store is closed")
                yield
        except exceptions.GoogleAPICallError as error:
            raise self._failed(error, permanent=not isinstance(error, PASSING)) from None
        finally:
            self._pending -= 1
            self._pending_bytes -= size

    async def _rest(self, attempt: int, error: exceptions.GoogleAPICallError) -> None:
        """Between two attempts; raises the error where that was the last."""
        if attempt + 1 >= self._patience.attempts:
            raise error
        self._counts["retries"] += 1
        await asyncio.sleep(self._patience.pause(attempt))

    def _conflict(self) -> Conflict:
        self._counts["conflicts"] += 1
        return Conflict("somebody else changed it first")

    def _failed(self, error: Exception, *, permanent: bool = False) -> Unavailable:
        """The error's own text may say what was written, and goes nowhere."""
        self._counts["failed"] += 1
        log.warning("the store does not answer", code=code(error))
        return Unavailable("the store does not answer", permanent=permanent)


def _next_version(write: Write) -> int:
    """0: there is none."""
    match write:
        case Insert():
            return 1
        case Delete():
            return 0
        case _:
            return firestore_documents.held(write)[0] + 1


def _token(write: Write, version: int, time: Any) -> Token:
    return firestore_documents.token(write.collection, write.id, version, time) if version else Token("")


def _instant(time: Any) -> datetime:
    found: datetime = time.ToDatetime(UTC)
    return found


def _cloud_channel() -> grpc.aio.Channel:
    """Looking for credentials may wait for a disk or a metadata server."""
    try:
        credentials, _ = google.auth.default(scopes=FirestoreGrpcAsyncIOTransport.AUTH_SCOPES)
    except GoogleAuthError:
        raise Unavailable("there are no credentials for the store", permanent=True) from None
    return FirestoreGrpcAsyncIOTransport.create_channel(credentials=credentials, options=[*CHANNEL, *KEEP_ALIVE])
