"""How a run ends: not before its last batch, not left RUNNING behind it, once, with the right verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asyncpg.transaction import Transaction

from etl_core.control.audit import Actor
from etl_core.control.interventions import hold
from etl_core.errors import ErrorKind
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.lifecycle.settle import settle_run
from etl_core.models.run import RunState
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.lifecycle.conftest import Connect
from tests.support.jobs import (
    eventually,
    fragment,
    load_batch,
    make_job,
    make_worker,
    one,
    start_run,
    store_batch,
    waits_for_a_lock,
)

_leases = load("leases")

Settle = Callable[[Connection, int], Awaitable[Any]]

OPEN = "SELECT state IN ('QUEUED', 'RUNNING') FROM job_runs WHERE id = $1"
END = "UPDATE job_runs SET state = 'SUCCEEDED', finished_at = now() WHERE id = $1"
UNLOADED = "SELECT count(*) FROM run_batches WHERE run_id = $1 AND state IN ('WAITING', 'LEASED')"


async def mended(conn: Connection, run_id: int) -> Any:
    """The program's way: lock in one statement, count in the next."""
    return await settle_run(conn, run_id, actor="test")


async def without_the_lock(conn: Connection, run_id: int) -> Any:
    """An obvious way that loses the last batch: look at the run, count, end it."""
    async with conn.transaction():
        if not await conn.fetchval("SELECT extract_done FROM job_runs WHERE id = $1", run_id):
            return None
        return None if await conn.fetchval(UNLOADED, run_id) else await conn.execute(END, run_id)


async def in_one_guarded_statement(conn: Connection, run_id: int) -> Any:
    """Another: an UPDATE that counts in its WHERE, as one would for a state machine without counts."""
    return await conn.fetchval(
        f"{END} AND extract_done AND NOT EXISTS ({UNLOADED.replace('count(*)', '')}) RETURNING id", run_id
    )


async def counted_while_locking(conn: Connection, run_id: int) -> Any:
    """And one with the lock, but counting in the locking statement, whose snapshot is older than the lock."""
    async with conn.transaction():
        run = await conn.fetchrow(
            f"SELECT extract_done, ({UNLOADED}) AS unloaded FROM job_runs WHERE id = $1 FOR NO KEY UPDATE",
            run_id,
        )
        if run is None or not run["extract_done"] or run["unloaded"]:
            return None
        return await conn.execute(END, run_id)


async def settle_behind(first: Transaction, second: Connection, watcher: Connection, settle: Any) -> None:
    """Settles on `second` while `first` is open; commits `first` once `settle` waits for it or is done."""
    pid = second.get_server_pid()
    settling = asyncio.create_task(settle)

    async def stands() -> bool:
        return settling.done() or await waits_for_a_lock(watcher, pid)

    await eventually(stands)
    await first.commit()
    await settling


@pytest.fixture
async def worker_id(db: Connection) -> int:
    return await make_worker(db)


@pytest.fixture
async def run(db: Connection, worker_id: int) -> ClaimedRun:
    """A claimed run without batches."""
    return await start_run(db, await make_job(db), worker_id)


@pytest.mark.parametrize(
    ("settle", "ends"), [(mended, True), (without_the_lock, False), (in_one_guarded_statement, False)]
)
async def test_the_last_batch_is_not_lost(
    db: Connection, connect: Connect, run: ClaimedRun, worker_id: int, settle: Settle, ends: bool
) -> None:
    """One transaction ends extract and has counted; before it commits, another loads the last and settles."""
    seq = await store_batch(db, run, worker_id)
    extracting, loading = await connect(), await connect()

    first = extracting.transaction()
    await first.start()
    assert (
        await _leases.lock_leased_run(extracting, run_id=run.id, lease=run.lease, worker_id=run.worker_id)
        == run.id
    )
    await _leases.end_extract(extracting, run_id=run.id)
    assert not await settle(extracting, run.id)  # the batch is still on its way

    async with loading.transaction():
        await load_batch(loading, run, seq)
    await settle_behind(first, loading, db, settle(loading, run.id))

    # Nobody comes after these two: what is open now stays open for ever.
    assert await db.fetchval(OPEN, run.id) is not ends


@pytest.mark.parametrize(("settle", "ends_short"), [(mended, False), (counted_while_locking, True)])
async def test_a_run_does_not_end_short_of_a_batch(
    db: Connection, connect: Connect, run: ClaimedRun, worker_id: int, settle: Settle, ends_short: bool
) -> None:
    """One transaction stores the last batch and ends extract; another, which cannot see that yet, settles."""
    seq = await store_batch(db, run, worker_id)
    extracting, loading = await connect(), await connect()

    first = extracting.transaction()
    await first.start()
    await _leases.lock_leased_run(extracting, run_id=run.id, lease=run.lease, worker_id=run.worker_id)
    await store_batch(extracting, run, worker_id)
    await _leases.end_extract(extracting, run_id=run.id)

    await load_batch(loading, run, seq)
    await settle_behind(first, loading, db, settle(loading, run.id))

    assert await db.fetchval(UNLOADED, run.id) == 1
    assert await db.fetchval(OPEN, run.id) is not ends_short


async def test_two_settlers_at_once_end_it_once(
    db: Connection, connect: Connect, run: ClaimedRun, worker_id: int
) -> None:
    seq = await store_batch(db, run, worker_id, fragments=[fragment(1)])
    await load_batch(db, run, seq)
    await _leases.end_extract(db, run_id=run.id)
    settlers = [await connect() for _ in range(4)]
    outcomes = await asyncio.gather(*(settle_run(conn, run.id, actor="test") for conn in settlers))
    assert [outcome.state for outcome in outcomes if outcome] == [RunState.SUCCEEDED]
    assert await db.fetchval("SELECT count(*) FROM job_checkpoint_history") == 1
    assert await settle_run(db, run.id, actor="late") is None


async def test_success(db: Connection, run: ClaimedRun, worker_id: int) -> None:
    await db.execute("UPDATE etl_jobs SET retry_count = 4, held = true, hold_reason = 'h', held_by = 'h'")
    for position in (1, 2):
        await load_batch(
            db, run, await store_batch(db, run, worker_id, rows=7, fragments=[fragment(position)])
        )
    assert await settle_run(db, run.id, actor="test") is None  # extract may store more
    await _leases.end_extract(db, run_id=run.id)
    outcome = await settle_run(db, run.id, actor="worker 7")
    assert outcome is not None
    assert outcome.succeeded

    ended = await one(db, "SELECT * FROM job_runs")
    assert (ended["state"], ended["error_kind"]) == ("SUCCEEDED", None)
    assert ended["lease"] > run.lease  # whoever held it is fenced
    assert ended["counters"] | {"bytes": 0} == {
        "rows_extracted": 14,
        "rows_new": 14,
        "rows_changed": 0,
        "rows_unchanged": 0,
        "rows_deleted": 0,
        "rows_rejected": 0,
        "values_left_out": 0,
        "batches": 2,
        "bytes": 0,
    }
    job = await one(db, "SELECT *, last_success_at = last_run_finished_at AS now FROM etl_jobs")
    assert (job["status"], job["retry_count"], job["now"]) == ("FINISHED", 0, True)
    assert (job["held"], job["hold_reason"], job["held_by"]) == (False, None, None)
    assert await db.fetchval("SELECT count(*) FROM batch_payloads") == 0


async def test_one_version_of_the_checkpoint_a_run(db: Connection, worker_id: int) -> None:
    job_id = await make_job(db)
    for last in (2, 4):
        run = await start_run(db, job_id, worker_id)
        for position in (last - 1, last):
            await load_batch(db, run, await store_batch(db, run, worker_id, fragments=[fragment(position)]))
        await _leases.end_extract(db, run_id=run.id)
        await settle_run(db, run.id, actor="worker 7")
    rows = await db.fetch("SELECT * FROM job_checkpoint_history ORDER BY version")
    assert [(row["version"], row["source"], row["actor"], row["changes"]) for row in rows] == [
        (1, "run", "worker 7", [{"stream": "records", "partition": "default", "bookmark": {"at": 2}}]),
        (2, "run", "worker 7", [{"stream": "records", "partition": "default", "bookmark": {"at": 4}}]),
    ]
    assert await db.fetchval("SELECT checkpoint_data FROM etl_jobs") == {
        "version": 2,
        "streams": {"records": {"default": {"bookmark": {"at": 4}}}},
    }


async def test_a_run_that_moves_nothing_cuts_no_version(db: Connection, run: ClaimedRun) -> None:
    await _leases.end_extract(db, run_id=run.id)
    outcome = await settle_run(db, run.id, actor="test")
    assert outcome is not None
    assert outcome.succeeded
    assert await db.fetchval("SELECT checkpoint_version FROM etl_jobs") == 0
    assert await db.fetchval("SELECT count(*) FROM job_checkpoint_history") == 0


async def test_a_batch_set_aside_fails_the_run_by_its_name(
    db: Connection, run: ClaimedRun, worker_id: int
) -> None:
    good = await store_batch(db, run, worker_id, lane="a", fragments=[fragment(1)])
    bad = await store_batch(db, run, worker_id, lane="a", fragments=[fragment(2)])
    await store_batch(db, run, worker_id, lane="a", fragments=[fragment(3)])
    await load_batch(db, run, good)
    await _leases.set_aside(db, run_id=run.id, seq=bad, error="value too long")
    await _leases.discard_lane(db, run_id=run.id, lane="a")
    await _leases.end_extract(db, run_id=run.id)
    outcome = await settle_run(db, run.id, actor="test")
    assert outcome is not None
    assert (outcome.state, outcome.error_kind) == (RunState.FAILED, ErrorKind.INTERNAL)
    assert outcome.error_message == f"batch {bad} could not be loaded: value too long"
    # What was loaded before it counts, what stood behind it does not.
    assert await db.fetchval("SELECT bookmark FROM job_checkpoints") == {"at": 1}
    assert await db.fetchval("SELECT counters ->> 'batches' FROM job_runs") == "1"


@pytest.mark.parametrize(
    ("rows", "rejected", "state"),
    [
        (1_000, 51, RunState.SUCCEEDED),  # over 5 %, not over 100
        (100_000, 5_000, RunState.SUCCEEDED),  # over 100, not over 5 %
        (2_000, 100, RunState.SUCCEEDED),  # at both bounds
        (2_000, 101, RunState.FAILED),
    ],
)
async def test_rejects_past_5_percent_and_100_fail_the_run(
    db: Connection, run: ClaimedRun, worker_id: int, rows: int, rejected: int, state: RunState
) -> None:
    """Rejects of extract and of transform add up."""
    seq = await store_batch(db, run, worker_id, rows=rows, rejected=1, fragments=[fragment(1)])
    await load_batch(db, run, seq, rejected=rejected - 1)
    await db.execute(
        "INSERT INTO rejected_records (job_id, run_id, stream, hash, payload, reason, count) VALUES"
        " ($1, $2, 's', '1', '', 'no number', 60), ($1, $2, 's', '2', '', 'no date', 41)",
        run.job_id,
        run.id,
    )
    await _leases.end_extract(db, run_id=run.id)
    outcome = await settle_run(db, run.id, actor="test")
    assert outcome is not None
    assert outcome.state is state
    if state is RunState.FAILED:
        assert outcome.error_kind is ErrorKind.REJECTS
        assert outcome.error_message == "101 of 2,000 records rejected (5%): 60 x no number; 41 x no date"
    # Either way the good rows are in, and so is the checkpoint behind them.
    assert await db.fetchval("SELECT checkpoint_version FROM etl_jobs") == 1


@pytest.mark.parametrize("kind", [ErrorKind.UNAUTHORISED, ErrorKind.PERMANENT, ErrorKind.TRANSIENT])
async def test_an_error_fails_the_job_and_counts(db: Connection, run: ClaimedRun, kind: ErrorKind) -> None:
    await db.execute("UPDATE etl_jobs SET retry_count = 2")
    await _leases.fail_run(db, run_id=run.id, error_kind=kind, error_message="GitHub said no")
    await _leases.fail_run(db, run_id=run.id, error_kind=ErrorKind.INTERNAL, error_message="a later one")
    outcome = await settle_run(db, run.id, actor="test")
    assert outcome is not None
    assert outcome.error_kind is kind
    job = await one(
        db,
        "SELECT *, due_at = last_run_finished_at + interval '15 min' AS retries,"
        " due_at = last_run_started_at + interval '60 min' AS waits FROM etl_jobs",
    )
    assert (job["status"], job["error_kind"], job["error_message"]) == ("FAILED", kind, "GitHub said no")
    assert (job["retry_count"], job["last_success_at"]) == (3, None)
    if kind is ErrorKind.UNAUTHORISED:
        assert (job["held"], job["held_by"], job["held_until"], job["due_at"]) == (
            True,
            "etl-tui",
            None,
            None,
        )
        told = "GitHub said no; renew the credential, then run it or clear the hold"
        assert job["hold_reason"] == told
    else:
        assert not job["held"]
        assert (job["retries"], job["waits"]) == (kind is ErrorKind.TRANSIENT, kind is ErrorKind.PERMANENT)


async def test_a_hold_that_is_set_while_a_run_is_under_way_outlasts_it(
    db: Connection, run: ClaimedRun, worker_id: int
) -> None:
    await hold(db, run.job_id, Actor("tess"), reason="the source is moved")
    for is_held, held_by in ((True, "tess"), (False, None)):
        await _leases.end_extract(db, run_id=run.id)
        await settle_run(db, run.id, actor="test")
        assert tuple(await one(db, "SELECT held, held_by FROM etl_jobs")) == (is_held, held_by)
        run = await start_run(db, run.job_id, worker_id)  # by hand: its success ends the hold


async def test_a_run_by_hand_that_fails_of_something_else_ends_the_hold_for_a_credential(
    db: Connection, run: ClaimedRun
) -> None:
    await db.execute(
        "UPDATE etl_jobs SET held = true, hold_reason = 'renew the credential', held_by = 'etl-tui'"
    )
    await _leases.fail_run(db, run_id=run.id, error_kind="transient", error_message="down")
    await settle_run(db, run.id, actor="test")
    job = await one(db, "SELECT held, hold_reason, held_by, due_at IS NOT NULL AS is_due FROM etl_jobs")
    assert tuple(job) == (False, None, None, True)


async def test_a_failure_leaves_a_persons_hold_alone(db: Connection, run: ClaimedRun) -> None:
    await db.execute(
        "UPDATE etl_jobs SET held = true, hold_reason = 'editing', held_by = 'tess', held_until = 'infinity'"
    )
    await _leases.fail_run(db, run_id=run.id, error_kind="transient", error_message="down")
    await settle_run(db, run.id, actor="test")
    job = await one(db, "SELECT held, hold_reason, held_by, held_until IS NULL AS for_good FROM etl_jobs")
    assert tuple(job) == (True, "editing", "tess", False)


async def test_no_such_run(db: Connection) -> None:
    assert await settle_run(db, 4711, actor="test") is None
