"""Repairs: refused while the job runs and when somebody was faster; a version with who and why; an undo."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl_core.control import checkpoints
from etl_core.control.audit import Actor
from etl_core.control.interventions import hold
from etl_core.control.jobs import run_now, show_job
from etl_core.errors import Conflict, InvalidInput
from etl_core.lifecycle.settle import settle_run
from etl_core.rules.checkpoints.document import EMPTY, Document, Place
from etl_core.rules.checkpoints.exact_json import parse
from etl_core.rules.checkpoints.paths import parse_path
from etl_core.rules.checkpoints.repairs import (
    Clear,
    DropResume,
    EditValue,
    Repair,
    Rewind,
    Scope,
    SetDocument,
)
from etl_core.store import database
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.support.jobs import PERSON, load_batch, make_job, make_worker, one, start_run, store_batch

_leases = load("leases")

HUGE = 2**53 + 1
TEXT = (
    '{"streams": {"records": {'
    '"part-0": {"bookmark": {"generation": 1, "through": 900}, "resume": {"generation": 2, "next": 40}},'
    '"part-1": {"bookmark": {"generation": 1, "through": 9007199254740993}}},'
    '"others": {"default": {"bookmark": {"generation": 0, "through": 5}}}}}'
)
THROUGH = "records/part-0.bookmark.through"


@pytest.fixture
async def job_id(db: Connection) -> int:
    job = await make_job(db)
    await change(db, job, SetDocument(checkpoints.parse_document(TEXT)))
    return job


async def change(db: Connection, job_id: int, repair: Repair, **options: Any) -> int:
    options = {"reason": "so that it is right", **options}
    return (await checkpoints.repair(db, job_id, repair, PERSON, **options)).version


async def document(db: Connection, job_id: int) -> Document:
    return (await checkpoints.read_checkpoint(db, job_id)).document


def edit(path: str, text: str) -> EditValue:
    return EditValue(parse_path(path), parse(text))


async def test_a_repair_is_a_version_with_who_and_why_and_an_event(db: Connection, job_id: int) -> None:
    done = await checkpoints.repair(db, job_id, edit(THROUGH, "700"), PERSON, reason=" skip 7 ")
    assert (done.version, done.before_version, done.partitions_changed) == (2, 1, 1)
    newest, first = await checkpoints.list_versions(db, job_id)
    assert (newest.version, newest.source, newest.actor, newest.reason) == (2, "edit", "tess", "skip 7")
    assert newest.what == "1 changed: records/part-0"
    assert (first.what, newest.is_newest, first.is_newest) == (
        "3 new: others, records/part-0, records/part-1",
        True,
        False,
    )
    event = await one(db, "SELECT * FROM job_events WHERE detail ->> 'version' = '2'")
    assert (event["action"], event["actor"], event["detail"]["reason"]) == (
        "checkpoint_edit",
        "tess",
        "skip 7",
    )
    assert event["detail"]["before"]["records/part-0"]["bookmark"]["through"] == 900
    assert event["detail"]["after"]["records/part-0"]["bookmark"]["through"] == 700


async def test_who_was_slower_is_told_what_the_other_did(db: Connection, job_id: int) -> None:
    await change(db, job_id, edit(THROUGH, "700"), reason="skip 7", expected_version=1)
    for act in (
        checkpoints.plan(db, job_id, Clear(), expected_version=1),
        checkpoints.repair(db, job_id, Clear(), PERSON, reason="x", expected_version=1),
    ):
        with pytest.raises(
            Conflict, match=r"is v2 now.* made for v1; meanwhile: v2 edit by tess \(skip 7\), 1 ch"
        ):
            await act
    assert (await document(db, job_id)).find(Place("others", "default"))


async def test_undo_is_a_rewind_and_other_rows_are_never_written(db: Connection, job_id: int) -> None:
    rows = "SELECT partition, xmin::text, bookmark::text FROM job_checkpoints ORDER BY partition"
    before = {row["partition"]: tuple(row) for row in await db.fetch(rows)}
    await change(db, job_id, edit(THROUGH, "700"))
    after = {row["partition"]: tuple(row) for row in await db.fetch(rows)}
    assert {name for name in after if after[name] != before[name]} == {"part-0"}
    assert str(HUGE) in after["part-1"][2]
    await change(db, job_id, Rewind(1))
    assert (await document(db, job_id)).is_same(await checkpoints.read_version(db, job_id, 1))
    assert (await document(db, job_id)).is_same(checkpoints.parse_document(TEXT))
    assert await change(db, job_id, Rewind(3)) == 3  # nothing changes: no version


async def test_a_plan_says_what_will_happen(db: Connection, job_id: int) -> None:
    run = await run_now(db, job_id, PERSON)
    counters = {"rows_extracted": 1000}
    await db.execute("UPDATE job_runs SET state = 'SUCCEEDED', finished_at = now(), counters = $1", counters)
    await db.execute("UPDATE etl_jobs SET status = 'FINISHED'")
    await db.execute(
        "INSERT INTO run_progress (run_id, stream, stage, rows, bytes)"
        " VALUES ($1, 'records', 'extract', 800, 1)",
        run.id,
    )
    await db.execute(
        "INSERT INTO destination_tables (schema_name, table_name, job_id, stream, key, columns)"
        " VALUES ('s', 't', $1, 'records', '{}', '[]')",
        job_id,
    )
    planned = await checkpoints.plan(db, job_id, Clear(Scope("records", "part-0")))
    assert planned.consequences.sentences == (
        "records (1 of 2 partitions) reads everything again, about 400 rows",
        "2 partitions stay as they are",
    )
    assert (planned.consequences.rows, planned.refusal) == (400, None)
    assert any("records: without a key" in warning for warning in planned.warnings)
    dropped = await checkpoints.plan(db, job_id, DropResume())
    assert dropped.consequences.sentences[0].startswith("records (1 of 2 partitions) begins its walk again")
    assert len(await checkpoints.list_versions(db, job_id)) == 1
    # The walk of the partitions that stay is no proof that rows of the other are gone.
    await change(db, job_id, Clear(Scope("records", "part-0")))
    doubt = await one(db, "SELECT stream, partition, hashes FROM walk_keys")
    assert tuple(doubt) == ("records", None, None)


async def test_documents_of_another_form(db: Connection, job_id: int) -> None:
    """A legacy document, and one that is a list: shown, cleared, brought back; never half edited."""
    await db.execute(
        "UPDATE etl_jobs SET checkpoint_data = $1 WHERE id = $2", {"last_pr_cursor": "a"}, job_id
    )
    with pytest.raises(Conflict, match="another form"):
        await change(db, job_id, DropResume())
    with pytest.raises(InvalidInput, match="a list"):
        await change(db, job_id, SetDocument(checkpoints.parse_document("[1]")))
    await change(db, job_id, Rewind(1))
    assert len(await document(db, job_id)) == 3
    await change(db, job_id, Rewind(2))
    assert (await document(db, job_id)).other == {"last_pr_cursor": "a"}
    assert await db.fetchval("SELECT count(*) FROM job_checkpoints") == 0
    await change(db, job_id, SetDocument(checkpoints.parse_document('{"last_pr_cursor": "b"}')))
    await change(db, job_id, Clear())
    assert await document(db, job_id) == EMPTY
    with pytest.raises(Conflict, match="has no checkpoint"):
        await change(db, job_id, Clear())
    kept = [(await checkpoints.read_version(db, job_id, version)).as_json() for version in (2, 5, 6)]
    assert kept == [{"last_pr_cursor": "a"}, {"last_pr_cursor": "b"}, None]
    # As a migration may have left one.
    await db.execute("ALTER TABLE etl_jobs DISABLE TRIGGER etl_jobs_checkpoint_edit")
    await db.execute("UPDATE etl_jobs SET checkpoint_data = '[1, null]' WHERE id = $1", job_id)
    current = await checkpoints.read_checkpoint(db, job_id)
    assert (current.document.other, current.raw) == ([1, None], None)
    assert "no JSON object" in (current.uneditable or "")
    assert (await show_job(db, job_id)).checkpoint_data == [1, None]


async def test_a_newer_form_is_shown_and_not_edited(db: Connection, job_id: int) -> None:
    await db.execute("UPDATE job_checkpoints SET schema_version = 2 WHERE partition = 'part-0'")
    current = await checkpoints.read_checkpoint(db, job_id)
    assert current.newer == {Place("records", "part-0")}
    assert "newer version of the program" in current.notices[0]
    with pytest.raises(InvalidInput, match="version 2 of its form, of which this program knows 1"):
        await change(db, job_id, edit(THROUGH, "7"))
    await change(db, job_id, edit("others/default.bookmark.through", "7"))
    await change(db, job_id, DropResume())
    await change(db, job_id, Rewind(2))
    versions = "SELECT schema_version FROM job_checkpoints WHERE partition = 'part-0'"
    assert await db.fetchval(versions) == 2  # it comes back with the value


async def test_a_checkpoint_that_cannot_be_read_is_shown_as_text_and_cleared(
    db: Connection, job_id: int
) -> None:
    deep = "[" * 3000 + "]" * 3000
    await db.execute("UPDATE job_checkpoints SET resume = $1::text::jsonb WHERE partition = 'part-0'", deep)
    current = await checkpoints.read_checkpoint(db, job_id)
    assert deep in (current.raw or "")
    assert "cannot be read" in (current.uneditable or "")
    with pytest.raises(Conflict, match="cannot be read"):
        await change(db, job_id, edit(THROUGH, "7"))
    await change(db, job_id, Rewind(1))
    assert (await document(db, job_id)).is_same(checkpoints.parse_document(TEXT))


async def test_an_edit_holds_the_job(db: Connection, job_id: int) -> None:
    other = Actor("ana")
    held = await checkpoints.begin_edit(db, job_id, PERSON)
    assert timedelta(minutes=14) < held.until - datetime.now(UTC) <= timedelta(minutes=16)
    with pytest.raises(checkpoints.AlreadyHeld, match=r"held by tess until .*: edit in progress"):
        await checkpoints.begin_edit(db, job_id, other)
    await checkpoints.end_edit(db, job_id, other)
    await db.execute("UPDATE etl_jobs SET held_until = now()")
    assert (await checkpoints.renew_edit(db, job_id, PERSON)).until > held.until
    assert (await checkpoints.begin_edit(db, job_id, PERSON)).held_by == "tess"
    assert await db.fetchval("SELECT due_at FROM etl_jobs WHERE id = $1", job_id) is None
    await checkpoints.end_edit(db, job_id, PERSON)
    with pytest.raises(Conflict, match="has ended"):
        await checkpoints.renew_edit(db, job_id, PERSON)
    await hold(db, job_id, other, reason="token is renewed")
    with pytest.raises(checkpoints.AlreadyHeld, match="token is renewed"):
        await checkpoints.begin_edit(db, job_id, PERSON)
    await checkpoints.end_edit(db, job_id, PERSON)
    assert await db.fetchval("SELECT hold_reason FROM etl_jobs WHERE id = $1", job_id) == "token is renewed"
    await run_now(db, job_id, PERSON)
    for act in (checkpoints.begin_edit(db, job_id, PERSON), change(db, job_id, Clear())):
        with pytest.raises(Conflict, match="jobs cancel acme/orders"):
            await act


async def test_a_retry_after_a_repair_reads_all(db: Connection, job_id: int) -> None:
    """What failed was to be read again alone; whoever moved the checkpoint meanwhile wants more."""
    first = await run_now(db, job_id, PERSON)
    await db.execute(
        "UPDATE job_runs SET state = 'FAILED', started_at = now(), finished_at = now(),"
        " error_kind = 'partitions'"
    )
    await db.execute("UPDATE etl_jobs SET status = 'FAILED'")
    await db.execute(
        "INSERT INTO failed_partitions (run_id, stream, partition, error_kind, error_message)"
        " VALUES ($1, 'records', 'part-0', 'transient', 'x')",
        first.id,
    )
    retry = (await run_now(db, job_id, PERSON)).id
    await db.execute("UPDATE job_runs SET trigger = 'retry' WHERE id = $1", retry)
    undone = [row["partition"] async for row in _leases.begin_partial_run(db, run_id=retry)]
    assert undone == ["part-0"]
    await db.execute("UPDATE job_runs SET is_partial = false WHERE id = $1", retry)
    await db.execute("UPDATE etl_jobs SET status = 'FAILED'")
    await change(db, job_id, Clear(Scope("others")))
    assert [row async for row in _leases.begin_partial_run(db, run_id=retry)] == []


async def test_edits_and_runs_at_once_lose_nothing(db: Connection, database_url: str, job_id: int) -> None:
    """Two people and a worker move a checkpoint at the same time: each step is there, or was refused."""
    steps = {"part-0": 900, "part-1": HUGE, "run": 0}
    refusals: list[str] = []
    worker_id = await make_worker(db)
    connections = [await database.connect(database_url, application_name="tests") for _ in steps]

    async def one_more(conn: Connection, partition: str) -> None:
        current = await checkpoints.read_checkpoint(conn, job_id)
        found = current.document.find(Place("records", partition))
        assert found is not None
        repair = edit(f"records/{partition}.bookmark.through", str(found.bookmark["through"] + 1))
        await checkpoints.repair(
            conn, job_id, repair, PERSON, reason="one more", expected_version=current.version
        )
        steps[partition] += 1

    async def run_once(conn: Connection, partition: str) -> None:
        run = await start_run(conn, job_id, worker_id)
        moved: dict[str, Any] = {"stream": "records", "partition": partition, "resume": None}
        moved["bookmark"] = {"generation": 0, "through": steps[partition] + 1}
        seq = await store_batch(conn, run, worker_id, fragments=[moved])
        async with conn.transaction():
            await load_batch(conn, run, seq)
        await _leases.end_extract(conn, run_id=run.id)
        await settle_run(conn, run.id, actor="worker 1")
        steps[partition] += 1

    async def tries(conn: Connection, partition: str) -> None:
        for _ in range(12):
            try:
                await (run_once if partition == "run" else one_more)(conn, partition)
            except Conflict as refused:
                refusals.append(str(refused))

    try:
        await asyncio.gather(*map(tries, connections, steps))
    finally:
        for conn in connections:
            await conn.close()
    now = await checkpoints.read_checkpoint(db, job_id)
    there = {place.partition: value.bookmark["through"] for place, value in now.document.items()}
    assert {name: there.get(name, 0) for name in steps} == steps
    told = ("is running", "made for v", "is already running")
    assert all(any(word in refusal for word in told) for refusal in refusals)
    assert len(refusals) + sum(steps.values()) - 900 - HUGE == 36
    versions = await checkpoints.list_versions(db, job_id)
    assert [row.version for row in versions] == list(range(now.version, 0, -1))
    assert (await checkpoints.read_version(db, job_id, now.version)).is_same(now.document)
