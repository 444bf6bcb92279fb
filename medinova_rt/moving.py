"""What `medinova store …` does: copy all documents and data keys to another place, print what indexes Firestore needs.

A place is `sqlite:FOLDER`, a data folder, or `firestore://PROJECT/DATABASE`. The data keys are beside the documents,
where `strongroom` looks for them; what wraps them, and all other keys, stay in the data folder.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from medinova_rt import vault
from medinova_rt.adapters import firestore_indexes
from medinova_rt.adapters.sqlite_shelf import SqliteShelf
from medinova_rt.backing import firestore_missing
from medinova_rt.config import firestore_place
from medinova_rt.errors import BadInput
from medinova_rt.folder import COLLECTIONS, DATABASE, FINDS, KEY_STORE, TOLD, keep_folder
from medinova_rt.operations import copying
from medinova_rt.ports import Find
from medinova_rt.shelf import Shelf
from medinova_rt.strongroom import key_place

SQLITE = "sqlite:"


def indexes() -> str:
    """Return what `deploy/firestore.indexes.json` holds, for the documents' database and that of the keys alike."""
    needed = firestore_indexes.document((*FINDS, *vault.FINDS), (*COLLECTIONS, vault.COLLECTION))
    return msgspec.json.format(msgspec.json.encode(needed), indent=2).decode() + "\n"


async def move(source: str, target: str, say: Callable[[str], None]) -> None:
    """Copy and compare; raises BadInput, Conflict, Unavailable, CannotStart."""
    if source == target:
        raise BadInput("The two places are the same.")
    if source.startswith(SQLITE) and not (Path(source.removeprefix(SQLITE)) / DATABASE).is_file():
        raise BadInput("There is no database in that folder.")
    for what, there, here in zip(("documents", "data keys"), _shelves(source), _shelves(target), strict=True):
        say(f"{what}:")
        await _copy(there, here, f"{what} of {source}", say)


async def _copy(source: Shelf, target: Shelf, name: str, say: Callable[[str], None]) -> None:
    try:
        await source.open()
        await target.open()
        counts = await copying.copy(source, target, name, lambda collection, more: say(f"  {collection}  +{more}"))
    finally:
        await target.close()
        await source.close()
    for count in counts:
        say(f"  {count.collection}  {count.documents}  the same on both sides (SHA-256 {count.digest[:16]}…)")


def _shelves(place: str) -> tuple[Shelf, Shelf]:
    """The documents, and the data keys. Raises BadInput, CannotStart."""
    if place.startswith(SQLITE):
        folder = Path(place.removeprefix(SQLITE))
        keep_folder(folder)
        return SqliteShelf(folder / DATABASE, FINDS), SqliteShelf(folder / KEY_STORE, vault.FINDS)
    try:
        return _firestore(place, FINDS, TOLD), _firestore(key_place(place), vault.FINDS)
    except ValueError:
        raise BadInput("A place is sqlite:FOLDER or firestore://PROJECT/DATABASE.") from None


def _firestore(place: str, finds: Sequence[Find], told: Sequence[str] = ()) -> Shelf:
    with firestore_missing():
        from medinova_rt.adapters.firestore_shelf import FirestoreShelf
    project, database = firestore_place(place)
    return FirestoreShelf(project, database, finds, told=told)
