"""The indexes that Firestore needs for the declared finds, as `firebase deploy --only firestore:indexes` takes them.

Firestore itself indexes each field alone, in both directions, which is enough for a find by one field, or by an order
alone. The others get an index of several fields, each ending in the document's id by itself. What is only kept is taken
out of all indexes.
"""

from collections.abc import Sequence
from typing import Any

from medinova_rt.ports import Find

BY, GONE, ID, KEPT, UNTIL = "by", "_gone", "id", "kept", "until"  # firestore_documents.py says what they are


def document(finds: Sequence[Find], collections: Sequence[str]) -> dict[str, Any]:
    """`collections`: all in which there are documents."""
    indexes = {repr(index): index for index in map(_index, finds) if index}
    return {
        "indexes": [indexes[name] for name in sorted(indexes)],
        "fieldOverrides": [
            *(_unindexed(collection, KEPT) for collection in sorted({*collections, GONE})),
            {**_unindexed(GONE, UNTIL), "ttl": True},
        ],
    }


def _index(find: Find) -> dict[str, Any] | None:
    """None: Firestore's own are enough."""
    fields = [_field(f"{BY}.{name}") for name in find.equal]
    if find.ordered_by is not None:
        fields.append(_field(f"{BY}.{find.ordered_by}", descending=find.descending))
    elif find.descending:
        fields.append(_field(ID, descending=True))
    if len(fields) < 2:
        return None
    return {"collectionGroup": find.collection, "queryScope": "COLLECTION", "fields": fields}


def _field(path: str, *, descending: bool = False) -> dict[str, str]:
    return {"fieldPath": path, "order": "DESCENDING" if descending else "ASCENDING"}


def _unindexed(collection: str, path: str) -> dict[str, Any]:
    return {"collectionGroup": collection, "fieldPath": path, "indexes": []}
