"""What other processes write to the collections that somebody here remembers documents of.

One stream for all of them, on the event loop itself: Firestore's flow control bounds it, and there is no thread and no
queue that could run full. Each collection is listened to from a moment on, so that a start reads no document that did
not change, and deleted documents are heard of by their marks (firestore_documents.py).

When the stream ends, for whatever reason, something may have been missed: all that is remembered is dropped, and the
next stream begins where the last one was known to be complete.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.types import ListenRequest

from medinova_rt.adapters import firestore_documents
from medinova_rt.adapters.firestore_documents import GONE, Names
from medinova_rt.logs import Log, code
from medinova_rt.ports import Delete, Replace, Token, Write

SLACK = timedelta(seconds=60)  # a change bears the time at which its commit began; none takes so long
RENEW_S = 600.0  # then a stream is begun anew, so that what it has shown since its start stays small
LONGEST_PAUSE_S = 5.0

COUNTS = ("told", "lost", "streams", "complete")

log = Log(__name__)


class News:
    def __init__(
        self,
        names: Names,
        collections: Sequence[str],
        source: str,
        changed: Callable[[Write], None],
        lost: Callable[[], None],
    ) -> None:
        """`source`: how our own nonces begin; of what we wrote ourselves nobody needs to be told."""
        self._names = names
        self._collections = (*collections, GONE)
        self._source = source
        self._changed = changed
        self._lost = lost
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._task: asyncio.Task[None] | None = None

    def open(self, client: FirestoreAsyncClient, metadata: Sequence[tuple[str, str]], now: datetime) -> None:
        """`now`, by Firestore's clock: what was written until then, nobody is told."""
        self._client, self._metadata = client, metadata
        self._complete = now
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def counters(self) -> Mapping[str, int]:
        return self._counts

    async def _follow(self) -> None:
        failures = 0
        while True:
            before = self._complete
            try:
                async with asyncio.timeout(RENEW_S):
                    await self._stream()
            except TimeoutError:
                continue  # planned: the next stream begins before this one ended, so nothing is missed
            except GoogleAPICallError as error:
                log.warning("changes made elsewhere are not heard of", code=code(error))
            except Exception as error:  # whatever it is, what is remembered has to go and the task to go on
                log.error("changes made elsewhere are not heard of", code=code(error))
            self._counts["lost"] += 1
            self._lost()
            failures = 0 if self._complete > before else failures + 1
            longest = min(LONGEST_PAUSE_S, 0.1 * 2 ** min(failures, 10))
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  # spreads load, guards nothing

    async def _stream(self) -> None:
        """Return when Firestore ends it."""
        self._counts["streams"] += 1
        stream: Any = await self._client.listen(
            requests=self._requests(), retry=None, timeout=None, metadata=self._metadata
        )
        try:
            async for answer in stream:
                self._hear(type(answer).pb(answer))
        finally:
            stream.cancel()

    async def _requests(self) -> AsyncIterator[ListenRequest]:
        since = self._complete - SLACK
        for number, collection in enumerate(self._collections, 1):
            target = firestore_documents.target(self._names, collection, number, since)
            yield ListenRequest(database=self._names.database, add_target=target)
        await asyncio.Event().wait()  # the stream lives as long as its requests may come

    def _hear(self, answer: Any) -> None:
        what = answer.WhichOneof("response_type")
        if what == "document_change":
            self._tell(answer.document_change.document)
        elif what == "target_change":
            change = answer.target_change
            if change.target_change_type == change.REMOVE:
                raise RuntimeError("a collection is no longer listened to")
            if change.target_change_type == change.NO_CHANGE and not change.target_ids:
                self._complete = change.read_time.ToDatetime(UTC)  # of all collections together
                self._counts["complete"] += 1

    def _tell(self, document: Any) -> None:
        if document.update_time.ToDatetime(UTC) <= self._complete:
            return  # told already; the emulator shows everything again at each change
        fields = document.fields
        if firestore_documents.nonce(document).startswith(self._source):
            return
        self._counts["told"] += 1
        collection, named = firestore_documents.place(document.name)
        if collection == GONE:
            self._changed(Delete(fields["collection"].string_value, fields["id"].string_value, Token("")))
        else:
            self._changed(Replace(collection, named, firestore_documents.body(document), Token("")))
