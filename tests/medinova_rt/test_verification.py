"""Each way of tampering with a trail, and the sentence that it gets."""

import asyncio
import contextlib
import re
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from medinova_rt import audit, checkpoints, documents, strands
from medinova_rt.adapters.firestore_store import FirestoreStore
from medinova_rt.adapters.folder_copies import FolderCopies
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.checkpoints import Checkpoint, Checkpoints, Head
from medinova_rt.ids import StrandId
from medinova_rt.merkle import Tree
from medinova_rt.ports import Delete, Document, Insert, Replace, Store, Write
from medinova_rt.strands import State
from medinova_rt.verification import Verification
from tests.firestore import Emulator
from tests.medinova_rt.conftest import declared
from tests.medinova_rt.trail import KEY, ONE, OTHER_KEY, TWO, MemoryCopies, Trail

A_STRAND = r"str-[0-9a-z]{26}"


async def rewrite(trail: Trail, collection: str, id: str, document: Document | None) -> None:
    """As whoever has the store can: take a document out, put another in its place, at version 1."""
    held = await trail.store.get(collection, id)
    assert held
    await trail.store.transact([Delete(collection, id, held.token)])
    if document is not None:
        await trail.store.transact([Insert(collection, id, document)])


async def alter(trail: Trail, number: int, **fields: Any) -> None:
    record = (await trail.records())[number - 1]
    await rewrite(trail, audit.COLLECTION, record["id"], {**record, **fields})


async def remove(trail: Trail, number: int) -> None:
    await rewrite(trail, audit.COLLECTION, (await trail.records())[number - 1]["id"], None)


async def relink(trail: Trail, records: list[Document]) -> None:
    """Make the chain fit what is given, as whoever has everything but the key can."""
    for before in await trail.records():
        await rewrite(trail, audit.COLLECTION, before["id"], None)
    previous = records[0]["strand"]
    writes: list[Write] = []
    for seq, record in enumerate(records, 1):
        linked = strands.link(record, StrandId(record["strand"]), seq, previous)
        previous = linked["digest"]
        writes.append(Insert(audit.COLLECTION, record["id"], linked))
    await trail.store.transact(writes)


async def an_altered_record(trail: Trail) -> None:
    await alter(trail, 5, patient="pat-2")


async def an_altered_and_replaced_version(trail: Trail) -> None:
    record = (await trail.records())[4]
    held = await trail.store.get(audit.COLLECTION, record["id"])
    assert held
    await trail.store.transact([Replace(audit.COLLECTION, held.id, record, held.token)])


async def an_altered_record_with_a_fitting_digest(trail: Trail) -> None:
    record = {**(await trail.records())[4], "patient": "pat-2"}
    await alter(trail, 5, patient="pat-2", digest=strands.digest(record))


async def a_record_with_a_field_more(trail: Trail) -> None:
    await alter(trail, 5, note="more")


async def a_record_missing_in_the_middle(trail: Trail) -> None:
    await remove(trail, 5)


async def the_first_record_missing(trail: Trail) -> None:
    await remove(trail, 1)


async def two_records_in_another_order(trail: Trail) -> None:
    one, two = (await trail.records())[4:6]
    await rewrite(trail, audit.COLLECTION, one["id"], None)
    await rewrite(trail, audit.COLLECTION, two["id"], None)
    for record, seq in ((one, two["seq"]), (two, one["seq"])):
        await trail.store.transact([Insert(audit.COLLECTION, record["id"], {**record, "seq": seq})])


async def a_record_played_again(trail: Trail) -> None:
    record = (await trail.records())[4]
    again = {**record, "id": "aud-again"}
    await trail.store.transact([Insert(audit.COLLECTION, "aud-again", again)])


async def a_record_played_again_with_a_fitting_digest(trail: Trail) -> None:
    again = {**(await trail.records())[4], "id": "aud-again"}
    again["digest"] = strands.digest(again)
    await trail.store.transact([Insert(audit.COLLECTION, "aud-again", again)])


async def a_record_of_another_clinic_moved_in(trail: Trail) -> None:
    foreign = (await trail.records(TWO))[0]
    mine = (await trail.records())[4]
    await rewrite(trail, audit.COLLECTION, foreign["id"], None)
    await remove(trail, 5)
    moved = {**foreign, "strand": mine["strand"], "seq": 5, "previous": mine["previous"]}
    await trail.store.transact([Insert(audit.COLLECTION, foreign["id"], {**moved, "digest": strands.digest(moved)})])


async def a_record_of_no_strand_slipped_in(trail: Trail) -> None:
    slipped = trail.act()
    await trail.store.transact([Insert(audit.COLLECTION, "aud-slipped", {**slipped.document, "id": "aud-slipped"})])


async def a_record_of_a_strand_that_is_not_there(trail: Trail) -> None:
    document = {**trail.act().document, "id": "aud-x", "strand": "str-other", "seq": 1, "previous": "str-other"}
    await trail.store.transact([Insert(audit.COLLECTION, "aud-x", {**document, "digest": strands.digest(document)})])


async def a_cut_tail(trail: Trail) -> None:
    for number in (9, 8):
        await remove(trail, number)


async def a_missing_strand(trail: Trail) -> None:
    strand = (await trail.strands())[0]
    for _ in range(9):
        await remove(trail, 1)
    await rewrite(trail, strands.COLLECTION, strand.id, None)


async def the_records_of_a_strand_missing(trail: Trail) -> None:
    for _ in range(9):
        await remove(trail, 1)


async def a_strand_said_to_be_of_another_process(trail: Trail) -> None:
    strand = (await trail.strands())[0]
    await rewrite(trail, strands.COLLECTION, strand.id, documents.encode(replace(strand, node="another")))


async def a_whole_chain_made_anew(trail: Trail) -> None:
    records = await trail.records()
    records[4] = {**records[4], "patient": "pat-2"}
    await relink(trail, records)


async def a_whole_chain_and_its_checkpoints_made_anew(trail: Trail) -> None:
    await a_whole_chain_made_anew(trail)
    await begin_checkpoints_again(trail)
    await Checkpoints(trail.store, OTHER_KEY, MemoryCopies()).write(trail.now)


async def begin_checkpoints_again(trail: Trail) -> None:
    for row in (await trail.store.find(checkpoints.BY_NUMBER, (ONE,), limit=100)).rows:
        await rewrite(trail, checkpoints.COLLECTION, row.id, None)
    for strand in await trail.strands():
        again = replace(strand, place=strands.NOWHERE, seq=0, digest="")
        await rewrite(trail, strands.COLLECTION, strand.id, documents.encode(again))


async def checkpoint_document(trail: Trail, number: int) -> Document:
    held = await trail.store.get(checkpoints.COLLECTION, checkpoints.checkpoint_id(ONE, number))
    assert held
    return held.document


async def an_altered_checkpoint(trail: Trail) -> None:
    document = await checkpoint_document(trail, 2)
    await rewrite(trail, checkpoints.COLLECTION, document["id"], {**document, "records": 99})


async def a_checkpoint_that_is_none(trail: Trail) -> None:
    document = await checkpoint_document(trail, 2)
    await rewrite(trail, checkpoints.COLLECTION, document["id"], {**document, "moved": "none"})


async def a_missing_checkpoint(trail: Trail) -> None:
    await rewrite(trail, checkpoints.COLLECTION, checkpoints.checkpoint_id(ONE, 2), None)


async def the_last_checkpoint_missing(trail: Trail) -> None:
    await rewrite(trail, checkpoints.COLLECTION, checkpoints.checkpoint_id(ONE, 3), None)


async def no_copies(trail: Trail) -> None:
    trail.copies.lines.clear()


async def fewer_copies(trail: Trail) -> None:
    del trail.copies.lines[ONE][-1]


async def a_copy_that_was_cut(trail: Trail) -> None:
    trail.copies.lines[ONE][-1] = trail.copies.lines[ONE][-1][:-20]


async def an_altered_copy(trail: Trail) -> None:
    trail.copies.lines[ONE][1] = trail.copies.lines[ONE][1].replace(b'"number":2', b'"number":7')


TAMPERINGS: list[tuple[Callable[[Trail], Awaitable[None]], str]] = [
    (an_altered_record, rf"record 5 \(aud-\w+\) of strand {A_STRAND} was altered"),
    (an_altered_and_replaced_version, rf"record 5 \(aud-\w+\) of strand {A_STRAND} was altered"),
    (
        an_altered_record_with_a_fitting_digest,
        rf"record 6 \(aud-\w+\) of strand {A_STRAND} does not follow the one before",
    ),
    (a_record_with_a_field_more, rf"record 5 \(aud-\w+\) of strand {A_STRAND} was altered"),
    (a_record_missing_in_the_middle, rf"record 5 of strand {A_STRAND} is missing: record 6 \(aud-\w+\) comes next"),
    (the_first_record_missing, rf"record 1 of strand {A_STRAND} is missing"),
    (two_records_in_another_order, rf"record 5 \(aud-\w+\) of strand {A_STRAND} was altered"),
    (a_record_played_again, rf"record [56] \(aud-\w+\) of strand {A_STRAND} was altered"),
    (a_record_played_again_with_a_fitting_digest, r"record 5 \(aud-\w+\) of strand .* is there twice"),
    (a_record_of_another_clinic_moved_in, rf"record 5 \(aud-\w+\) of strand {A_STRAND} is of another clinic"),
    (a_record_of_no_strand_slipped_in, r"record aud-slipped is in no strand"),
    (a_record_of_a_strand_that_is_not_there, r"1 records say that they are of strand str-other, which is not there"),
    (a_cut_tail, rf"strand {A_STRAND} was cut: records 8 to 9 are missing at its end"),
    (a_missing_strand, rf"strand {A_STRAND} is missing, with 9 records"),
    (the_records_of_a_strand_missing, rf"strand {A_STRAND} was cut: records 1 to 9 are missing at its end"),
    (a_strand_said_to_be_of_another_process, rf"strand {A_STRAND} was altered: its document says that it is another"),
    (a_whole_chain_made_anew, rf"a record from 4 to 6 of strand {A_STRAND} was altered, and all that follow"),
    (a_whole_chain_and_its_checkpoints_made_anew, r"checkpoint 1 was signed with another key"),
    (an_altered_checkpoint, r"checkpoint 2 was altered: its signature does not fit"),
    (a_checkpoint_that_is_none, r"checkpoint 2 was altered: it is no checkpoint any more"),
    (a_missing_checkpoint, r"checkpoint 2 is missing: checkpoint 3 follows on 1"),
    (the_last_checkpoint_missing, r"the copies go on after checkpoint 2.*an older copy of the store was put back"),
    (no_copies, r"the copies end before checkpoint 1: they are missing, or were cut"),
    (fewer_copies, r"the copies end before checkpoint 3"),
    (a_copy_that_was_cut, r"the copies were cut in checkpoint 3"),
    (an_altered_copy, r"the copy differs from the store at checkpoint 2"),
]


async def three_checkpoints(store: Store) -> Trail:
    trail = Trail(store)
    for _ in range(3):
        await trail.write(3)
        await trail.write(1, TWO)
        await trail.checkpoint()
    return trail


async def test_what_nobody_has_touched_is_intact(store: Store) -> None:
    trail = await three_checkpoints(store)
    await trail.write(2)
    found = await trail.verify()
    assert found.faults == []
    assert (found.records, found.strands, found.checkpoints, found.since, found.unchained) == (11, 1, 3, 2, 0)


@pytest.mark.parametrize(("tamper", "sentence"), TAMPERINGS, ids=lambda each: getattr(each, "__name__", ""))
async def test_tampering_is_caught_and_named(
    store: Store, tamper: Callable[[Trail], Awaitable[None]], sentence: str
) -> None:
    trail = await three_checkpoints(store)
    await tamper(trail)
    faults = await trail.faults()
    assert faults
    assert re.search(sentence, faults[0]), faults


async def test_an_old_copy_of_the_whole_store_put_back_lags_behind_the_copies(store: Store) -> None:
    trail = await three_checkpoints(store)
    trail.copies.lines[ONE] += [line.replace(b'"number":3', b'"number":4') for line in trail.copies.lines[ONE][-1:]]
    (fault,) = await trail.faults()
    assert "an older copy of the store was put back" in fault


async def test_records_of_before_there_were_strands_are_counted(store: Store) -> None:
    trail = Trail(store)
    old = trail.act()
    before = {
        name: value for name, value in old.document.items() if name not in ("strand", "seq", "previous", "digest")
    }
    await store.transact(
        [Insert(audit.COLLECTION, old.id, {**before, "schema": 1, "at": "2026-11-24T09:00:00.000000Z"})]
    )
    assert (await trail.verify()).unchained == 1
    await trail.write(2)
    await trail.checkpoint()
    found = await trail.verify()
    assert (found.faults, found.unchained, found.records) == ([], 1, 2)
    page = await store.find(audit.BY_CLINIC, (ONE,))
    assert sorted(audit.read(row).seq or 0 for row in page.rows) == [0, 1, 2]


async def test_a_checkpoint_of_a_running_server_may_lack_its_copy_for_a_moment(store: Store) -> None:
    trail = await three_checkpoints(store)
    del trail.copies.lines[ONE][-1]
    assert (await trail.verify(after=timedelta())).is_intact
    assert not (await trail.verify(after=timedelta(minutes=3))).is_intact


async def test_it_works_beside_a_server_that_writes(store: Store) -> None:
    trail = await three_checkpoints(store)

    async def serve() -> None:
        for n in range(60):
            await asyncio.gather(*(trail.write() for _ in range(4)))
            if n % 10 == 0:
                await trail.checkpoint()

    server = asyncio.create_task(serve())
    while not server.done():
        assert (await trail.verify(after=timedelta())).faults == []
    await server
    assert (await trail.verify()).records == 9 + 240


# --- what somebody tampers with while the server goes on making checkpoints -----------------------------------------


async def a_chain_made_anew_and_longer(trail: Trail) -> None:
    """So that the next checkpoint would sign where it leads now."""
    records = await trail.records()
    records[4] = {**records[4], "patient": "pat-2"}
    await relink(trail, [*records, {**records[-1], "id": "aud-longer"}])


async def a_closed_strand_opened_for_a_chain_made_anew(trail: Trail) -> None:
    trail.minutes += 240
    await trail.checkpoint()
    (strand,) = await trail.strands()
    assert strand.state is State.CLOSED
    await a_chain_made_anew_and_longer(trail)
    await rewrite(trail, strands.COLLECTION, strand.id, documents.encode(replace(strand, state=State.OPEN)))


async def a_tail_cut_and_the_strand_set_back(trail: Trail) -> None:
    strand = (await trail.strands())[0]
    await a_cut_tail(trail)
    await rewrite(trail, strands.COLLECTION, strand.id, documents.encode(replace(strand, seq=5)))


async def a_strand_closed_while_it_is_written_to(trail: Trail) -> None:
    strand = (await trail.strands())[0]
    await rewrite(trail, strands.COLLECTION, strand.id, documents.encode(replace(strand, state=State.CLOSED)))
    await trail.write(2)


async def a_strand_closed_for_as_long_as_it_is_written_to(trail: Trail) -> None:
    await a_strand_closed_while_it_is_written_to(trail)
    (strand,) = await trail.strands()
    trail.restart()
    for _ in range(12):
        await trail.write()
        await trail.checkpoint()
    again = replace(strand, state=State.OPEN, moved_at=trail.now)
    await rewrite(trail, strands.COLLECTION, strand.id, documents.encode(again))


WHILE_IT_SERVES: list[tuple[Callable[[Trail], Awaitable[None]], str, int]] = [
    (a_chain_made_anew_and_longer, rf"a record from 4 to 6 of strand {A_STRAND} was altered", 1),
    (a_closed_strand_opened_for_a_chain_made_anew, rf"a record from 4 to 6 of strand {A_STRAND} was altered", 1),
    (a_tail_cut_and_the_strand_set_back, rf"strand {A_STRAND} was cut: records 8 to 9 are missing", 1),
    (a_strand_closed_while_it_is_written_to, r"record 10 .* is later than the strand was closed", 0),
]


@pytest.mark.parametrize(("tamper", "sentence", "mismatches"), WHILE_IT_SERVES)
async def test_no_later_checkpoint_makes_good_what_was_tampered_with(
    store: Store, tamper: Callable[[Trail], Awaitable[None]], sentence: str, mismatches: int
) -> None:
    trail = await three_checkpoints(store)
    await tamper(trail)
    await trail.checkpoint()
    assert trail.checkpoints.counters()["mismatches"] == mismatches
    faults = await trail.faults()
    assert any(re.search(sentence, fault) for fault in faults), faults


async def test_what_was_kept_from_the_checkpoints_shows(store: Store) -> None:
    trail = await three_checkpoints(store)
    await a_strand_closed_for_as_long_as_it_is_written_to(trail)
    (fault,) = await trail.faults()
    assert re.search(r"record 10 .* was not seen by the checkpoints that were made since", fault)


async def test_a_signed_checkpoint_that_takes_records_back_shows(store: Store) -> None:
    """As one of before, or whoever has the key, may have made."""
    trail = await three_checkpoints(store)
    await a_cut_tail(trail)
    document = await checkpoint_document(trail, 3)
    last = documents.decode(Checkpoint, document, checkpoints.SCHEMA, {})
    head = (await trail.records())[6]
    back = Head(last.moved[0].strand, 7, head["digest"])
    tree = Tree()
    tree.put(0, back.leaf())
    made = replace(
        last,
        id=checkpoints.checkpoint_id(ONE, 4),
        number=4,
        previous=checkpoints.digest(last),
        records=7,
        root=tree.root.hex(),
        moved=[back],
        signature="",
    )
    made = replace(made, signature=KEY.sign(checkpoints.signed_part(made)))
    await trail.store.transact([Insert(checkpoints.COLLECTION, made.id, documents.encode(made))])
    trail.copies.lines[ONE].append(checkpoints.line(made))
    assert any("checkpoint 4 takes records back" in fault for fault in await trail.faults())


async def test_it_is_the_same_on_firestore(emulator: Emulator) -> None:
    store = FirestoreStore(emulator.project(), finds=declared())
    await store.open()
    trail = await three_checkpoints(store)
    await asyncio.gather(*(trail.write() for _ in range(40)))
    await trail.checkpoint()
    assert await trail.faults() == []
    await an_altered_record(trail)
    (fault,) = await trail.faults()
    assert re.search(rf"record 5 \(aud-\w+\) of strand {A_STRAND} was altered", fault)
    await store.close()


# --- the file itself --------------------------------------------------------------------------------------------------


async def trail_in_file(file: Path) -> tuple[SqliteStore, Trail]:
    store = SqliteStore(file, declared())
    await store.open()
    return store, await three_checkpoints(store)


async def test_every_byte_of_a_stored_record_counts(tmp_path: Path) -> None:
    """One bit at a time in the file, past SQLite and its indexes: the record is named each time."""
    file = tmp_path / "store.db"
    store, trail = await trail_in_file(file)
    record = (await trail.records())[4]
    await store.close()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (body,) = connection.execute("SELECT body FROM documents WHERE id = ?", (record["id"],)).fetchone()
    whole = file.read_bytes()
    start = whole.index(body.encode())
    named = len(audit.COLLECTION) + len(record["id"])
    before = start - 16 - named  # between them: the token, which is the store's own
    assert whole[before:].startswith(f"{audit.COLLECTION}{record['id']}".encode())
    places = [*range(before, before + named), *range(start, start + len(body))]
    for n, place in enumerate(places):
        altered = bytearray(whole)
        altered[place] ^= 1 << n % 8
        file.write_bytes(altered)
        looked_at = SqliteStore(file, declared())
        await looked_at.open()
        trail.store = looked_at
        faults = await trail.faults()
        damage = await looked_at.check() if place < start else []
        await looked_at.close()
        if place < start:  # the name of the row, beside the record that holds it too: SQLite reads it from an index
            assert faults or damage
            continue
        assert faults, (place - start, altered[place - 8 : place + 8])
        assert re.search(rf"record 5 .*of strand {record['strand']} ", faults[0]), (faults, place - start)
    file.write_bytes(whole)


async def test_a_process_killed_in_the_middle_leaves_it_whole(tmp_path: Path) -> None:
    """A server that writes and makes checkpoints, killed three times at no particular moment."""
    copies = FolderCopies(tmp_path / "copies")
    for n in range(3):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.medinova_rt.trail", str(tmp_path)), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout
        for _ in range(3 + n):
            assert await asyncio.wait_for(process.stdout.readline(), 30)
        process.kill()
        await process.communicate()
        store = SqliteStore(tmp_path / "store.db", declared())
        await store.open()
        found = await Verification(store, ONE, {KEY.id: KEY}, copies, datetime.now(UTC)).run()
        await store.close()
        assert found.faults == []
        assert found.records >= 40 * 3 * (n + 1)
        assert found.checkpoints >= n + 1
