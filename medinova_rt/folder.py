"""The data folder: the name of the database, every query asked of it, and the keys."""

from pathlib import Path

from medinova_rt import (
    accounts,
    assertions,
    audit,
    chat,
    checkpoints,
    clinics,
    emergency,
    entrance,
    erasures,
    grants,
    invited,
    jobs,
    lookups,
    mail,
    members,
    merges,
    new_address,
    patients,
    relations,
    repeats,
    resealing,
    sessions,
    signin,
    strands,
    tries,
    turns,
    users,
    visits,
)
from medinova_rt.adapters import embedded_challenges, embedded_credentials, firebase_links, outbox_notifier
from medinova_rt.adapters.sealed_store import sealed_fields
from medinova_rt.operations.keys import kept_key
from medinova_rt.phi import Basis
from medinova_rt.ports import Find

DATABASE = "medinova.db"
KEY_STORE = "keys.db"  # apart from it, in backups too: what is destroyed here is gone once those have aged out
KEYS = "kek.json"
FINDS = (
    *audit.FINDS,
    *checkpoints.FINDS,
    *clinics.FINDS,
    *emergency.FINDS,
    *entrance.FINDS,
    *erasures.FINDS,
    *grants.FINDS,
    *invited.FINDS,
    *jobs.FINDS,
    *lookups.FINDS,
    *mail.FINDS,
    *embedded_challenges.FINDS,
    *firebase_links.FINDS,
    *new_address.FINDS,
    *outbox_notifier.FINDS,
    *relations.FINDS,
    *resealing.FINDS,
    *repeats.FINDS,
    *signin.FINDS,
    *strands.FINDS,
    *users.FINDS,
    *visits.FINDS,
    *sessions.FINDS,
    *accounts.FINDS,
    *assertions.FINDS,
)
# Documents of these are remembered (`signed_in`, `accounts`), so that what others write to them has to be heard of.
TOLD = (accounts.COLLECTION, clinics.COLLECTION, grants.COLLECTION, sessions.COLLECTION, users.COLLECTION)

SEALINGS = (
    *audit.SEALINGS,
    *emergency.SEALINGS,
    *invited.SEALINGS,
    *mail.SEALINGS,
    *merges.SEALINGS,
    *new_address.SEALINGS,
    *patients.SEALINGS,
    *embedded_challenges.SEALINGS,
    *embedded_credentials.SEALINGS,
    *outbox_notifier.SEALINGS,
    *repeats.SEALINGS,
    *sessions.SEALINGS,
    *tries.SEALINGS,
    *users.SEALINGS,
    *visits.SEALINGS,
)
FINDS = tuple(dict.fromkeys((*FINDS, *(Find(each.collection) for each in SEALINGS))))  # to bring up what was open
COLLECTIONS = frozenset(
    {
        *(find.collection for find in FINDS),
        *(sealing.collection for sealing in SEALINGS),
        chat.LINES,
        chat.TALLIES,
        turns.COLLECTION,
        members.ROSTERS,
        merges.COLLECTION,
        patients.COLLECTION,
        resealing.COLLECTION,
        users.EMAILS,
    }
)


def fields_of_patients() -> dict[Basis, list[str]]:
    """What is kept of patients under a key of their own, by why it is kept."""
    found: dict[Basis, list[str]] = {}
    for each in (*patients.SEALINGS, *emergency.SEALINGS, *merges.SEALINGS):
        for name in sorted(sealed_fields(each.kind)):
            found.setdefault(each.bases.get(name, each.basis), []).append(f"{each.collection}.{name}")
    return found


class CannotStart(Exception):
    """Carries one sentence for whoever started the server."""


def keep_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart("MEDINOVA_DATA is no folder that this user can make or use.") from error


def key(file: Path) -> str:
    try:
        return kept_key(file)
    except OSError as error:
        raise CannotStart(f"MEDINOVA_DATA: {file.name} cannot be read, made, or holds no key.") from error
