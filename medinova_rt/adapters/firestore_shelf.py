"""A Firestore store from below. Who else writes to it meanwhile is not held off."""

from collections.abc import Sequence
from typing import Any

import msgspec
from google.cloud.firestore_v1.types import StructuredQuery, Write

from medinova_rt.adapters import firestore_documents
from medinova_rt.adapters.firestore_documents import GONE
from medinova_rt.adapters.firestore_store import FirestoreStore
from medinova_rt.shelf import MAX_BYTES, MAX_ROWS, Kept, within


class FirestoreShelf(FirestoreStore):
    """What is written here is the same if it is written twice, so each attempt is as good as the first."""

    async def collections(self) -> list[str]:
        async def names() -> list[str]:
            pager = await self._client.list_collection_ids(
                request={"parent": self._names.root, "page_size": 300},
                retry=None,
                timeout=self._patience.read_s,
                metadata=self._metadata,
            )
            return sorted([name async for name in pager if name != GONE])

        return await self._read(names)

    async def rows(self, collection: str, after: str = "") -> list[Kept]:
        asked = firestore_documents.all_after(self._names, collection, after, MAX_ROWS)
        return within(await self._read(lambda: self._kept(asked)))

    async def put(self, collection: str, rows: Sequence[Kept]) -> None:
        writes = []
        for row in rows:
            document = msgspec.json.decode(row.body)
            writes.append(self._writing.whole(collection, row.id, document, row.body, row.version, self._source))
        await self._commit(writes, self._source)

    async def remove(self, collection: str, id: str) -> None:
        await self._commit([Write(delete=self._names.document(collection, id))], self._source)

    async def _kept(self, asked: StructuredQuery) -> list[Kept]:
        stream: Any = await self._client.run_query(
            request={"parent": self._names.root, "structured_query": asked},
            retry=None,
            timeout=self._patience.write_s,
            metadata=self._metadata,
        )
        rows, size = [], 0
        async for answer in stream:
            message = type(answer).pb(answer)
            if not message.HasField("document"):
                continue
            rows.append(firestore_documents.kept(message.document))
            size += len(rows[-1].body)
            if size > MAX_BYTES:
                stream.cancel()
                break
        return rows
