"""Locks under which a lease is looked at: obvious ways that lose or deadlock, beside the program's (m)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import asyncpg
import pytest

from etl_core.control.interventions import cancel
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.lifecycle.takeover import take_over
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.lifecycle.conftest import Connect
from tests.support.jobs import (
    PERSON,
    eventually,
    fall_silent,
    fragment,
    load_batch,
    make_job,
    make_worker,
    start_run,
    store_batch,
    waits_for_a_lock,
)

_leases = load("leases")
_progress = load("progress")

LOST_AFTER = 10.0
Check = Callable[[Connection, ClaimedRun, int], Awaitable[Any]]


async def looked_at_only(conn: Connection, run: ClaimedRun, seq: int) -> Any:
    """The obvious way: is the lease still mine?"""
    return await conn.fetchval(
        "SELECT seq FROM run_batches WHERE run_id = $1 AND seq = $2 AND lease = 1 AND state = 'LEASED'",
        run.id,
        seq,
    )


async def locked(conn: Connection, run: ClaimedRun, seq: int) -> Any:
    """The program's."""
    return await _leases.lock_leased_batch(conn, run_id=run.id, seq=seq, lease=1, worker_id=run.worker_id)


@pytest.mark.parametrize(("check", "fenced"), [(looked_at_only, False), (locked, True)])
async def test_a_stale_holder_commits_after_an_unlocked_look(
    db: Connection, connect: Connect, check: Check, fenced: bool
) -> None:
    """A load looks at its lease, is stopped for a while, goes on. Meanwhile it was taken for lost, and
    another worker loaded the batch."""
    lost, other = await make_worker(db), await make_worker(db)
    run = await start_run(db, await make_job(db), lost)
    seq = await store_batch(db, run, lost, fragments=[fragment(1)])
    stale = await connect()  # not under the worker's name: it would be terminated as well
    transaction = stale.transaction()
    await transaction.start()
    assert await check(stale, run, seq) == seq

    await fall_silent(db, lost)
    sweeping = await connect()
    sweep = asyncio.create_task(take_over(sweeping, lost_after=LOST_AFTER))

    async def waits_or_ended() -> bool:
        return sweep.done() or await waits_for_a_lock(db, sweeping.get_server_pid())

    await eventually(waits_or_ended)
    # Under the lock the takeover waits for the load, and so comes after its commit; without, it is through.
    assert sweep.done() is not fenced
    if sweep.done():
        adopted = [
            row async for row in _leases.adopt_batches(db, run_id=run.id, worker_id=other, formats=[1])
        ]
        assert [row["seq"] for row in adopted] == [seq]
        await load_batch(db, run, seq)
        await db.execute("UPDATE job_checkpoints SET bookmark = '{\"at\": 99}'")  # and it went on from there
    await load_batch(stale, run, seq)
    await transaction.commit()
    await sweep
    assert await db.fetchval("SELECT bookmark FROM job_checkpoints") == {"at": 1}
    assert await db.fetchval("SELECT lease FROM run_batches") == (1 if fenced else 3)


async def lock_parent(conn: Connection, how: str, run: ClaimedRun, seq: int) -> None:
    if how == "FOR UPDATE":
        await conn.execute("SELECT FROM job_runs WHERE id = $1 FOR UPDATE", run.id)
    elif how == "lock_run":
        assert await _leases.lock_run(conn, run_id=run.id)
    elif how == "lock_leased_run":
        assert await _leases.lock_leased_run(conn, run_id=run.id, lease=run.lease, worker_id=run.worker_id)
    elif how == "lock_leased_batch":
        assert await _leases.lock_leased_batch(conn, run_id=run.id, seq=seq, lease=1, worker_id=run.worker_id)
    else:
        assert await _leases.lock_job_of_run(conn, run_id=run.id)


@pytest.mark.parametrize(
    ("how", "deadlocks"),
    [
        ("FOR UPDATE", True),
        ("lock_run", False),
        ("lock_leased_run", False),
        ("lock_leased_batch", False),
        ("lock_job_of_run", False),
    ],
)
async def test_a_full_lock_deadlocks_with_foreign_key_checks(
    db: Connection, connect: Connect, how: str, deadlocks: bool
) -> None:
    """Two steps of a run at once: each has added a row that refers to it (a log line, a payload, an event),
    so each holds a key-share lock on it; then both lock it."""
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    seq = await store_batch(db, run, worker_id)
    await db.execute("DELETE FROM batch_payloads")
    one, two = await connect(), await connect()
    for number, conn in enumerate((one, two), 1):
        await conn.execute("SET deadlock_timeout = '100 ms'")
        await conn.execute("BEGIN")
        await conn.execute("INSERT INTO run_logs (run_id, level, message) VALUES ($1, 'info', 'x')", run.id)
        await conn.execute("INSERT INTO job_events (action, actor, job_id) VALUES ('x', 'y', $1)", run.job_id)
        if number == 1:
            await conn.execute("INSERT INTO batch_payloads VALUES ($1, $2, 'x')", run.id, seq)

    async def go_on(conn: Connection) -> None:
        await lock_parent(conn, how, run, seq)
        await conn.execute("COMMIT")

    async with asyncio.timeout(60):
        ended = await asyncio.gather(go_on(one), go_on(two), return_exceptions=True)
    errors = [type(each) for each in ended if each is not None]
    assert errors == ([asyncpg.DeadlockDetectedError] if deadlocks else [])


def test_no_query_takes_a_full_lock() -> None:
    for file in files("sql").joinpath("queries").iterdir():
        if file.name.endswith(".sql"):
            text = re.sub(r"--[^\n]*", "", file.read_text())
            assert not re.search(r"\bFOR\s+UPDATE\b", text, re.IGNORECASE), file.name


HEARTBEATS = 300


async def hot_updates(db: Connection, table: str) -> tuple[int, int]:
    await db.execute("SELECT pg_stat_force_next_flush()")
    await db.execute("SELECT pg_stat_clear_snapshot()")
    row = await db.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = $1", table
    )
    assert row is not None
    return row["n_tup_upd"], row["n_tup_hot_upd"]


@pytest.mark.parametrize("indexed", [False, True], ids=["as it is", "with an index on heartbeat_at"])
async def test_heartbeats_stay_hot(db: Connection, indexed: bool) -> None:
    """An index on the column would triple their WAL, and a full page end HOT updates."""
    if indexed:
        await db.execute("CREATE INDEX obvious ON workers (heartbeat_at)")
    processes = load("processes")
    workers = [await make_worker(db) for _ in range(20)]
    scheduler = await processes.register_scheduler(db, host="box", pid=1, version="0")
    for _ in range(HEARTBEATS // 20):
        for worker_id in workers:
            await processes.beat_worker(db, worker_id=worker_id)
            await processes.beat_scheduler(db, scheduler_id=scheduler)
    updates, hot = await hot_updates(db, "workers")
    assert updates == HEARTBEATS
    # Not all: one that finds its page full for a moment (an ANALYZE looks at it) goes elsewhere.
    assert hot == 0 if indexed else hot > HEARTBEATS / 2
    updates, hot = await hot_updates(db, "schedulers")
    assert hot > updates / 2


async def test_progress_of_a_run_stays_hot(db: Connection) -> None:
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    _, before = await hot_updates(db, "job_runs")
    for number in range(100):
        await _progress.write_counters(db, run_id=run.id, rows_expected=number)
    _, after = await hot_updates(db, "job_runs")
    assert after - before > 50


async def test_payloads_are_stored_as_they_are(db: Connection) -> None:
    """Compressed already: EXTERNAL keeps TOAST from trying again; bytea takes what jsonb refuses."""
    assert await db.fetchval(
        "SELECT attstorage = 'e'::\"char\" FROM pg_attribute"
        " WHERE attrelid = 'batch_payloads'::regclass AND attname = 'payload'"
    )
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    seq = await store_batch(db, run, worker_id)
    await db.execute("UPDATE batch_payloads SET payload = $1", b"\x00" * 50_000)
    assert await _leases.read_payload(db, run_id=run.id, seq=seq) == b"\x00" * 50_000
    assert await db.fetchval("SELECT pg_column_size(payload) FROM batch_payloads") >= 50_000
    with pytest.raises(asyncpg.PostgresError, match="Unicode escape"):
        await db.execute("SELECT '\"\\u0000\"'::jsonb")


async def test_what_is_due_is_stored_and_indexed(db: Connection) -> None:
    """PostgreSQL 18 makes generated columns VIRTUAL unless told, and those cannot be indexed; and the types
    of what it reads cannot change once it exists, so legacy times were converted before."""
    generated = (
        "SELECT attgenerated FROM pg_attribute WHERE attrelid = 'etl_jobs'::regclass AND attname = 'due_at'"
    )
    assert await db.fetchval(generated) == b"s"
    with pytest.raises(asyncpg.PostgresError, match="generated column"):
        await db.execute("ALTER TABLE etl_jobs ALTER COLUMN created_at TYPE timestamp")


async def test_greatest_of_null_would_wake_a_sleeping_job(db: Connection) -> None:
    """`greatest(null, x)` is x. CASE is outermost: what sleeps stays asleep with a snooze that is over."""
    assert await db.fetchval("SELECT greatest(NULL, now()) IS NOT NULL")
    await make_job(db)
    for sleeps in ("active = false", "held = true", "status = 'RUNNING'", "integration_id = NULL"):
        async with db.transaction():
            await db.execute(f"UPDATE etl_jobs SET not_before = now() - interval '1 h', {sleeps}")
            assert await db.fetchval("SELECT due_at FROM etl_jobs") is None, sleeps
            await db.execute("UPDATE etl_jobs SET active = true, held = false, status = 'READY'")


async def test_a_cancel_waits_for_the_load_in_hand(db: Connection, connect: Connect) -> None:
    """Both want the batch and its payload: in the same order, else they deadlock. (Parts of a WITH that
    nothing refers to are carried out last to first.)"""
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    seq = await store_batch(db, run, worker_id, fragments=[fragment(1)])
    loading, cancelling = await connect(), await connect()
    transaction = loading.transaction()
    await transaction.start()
    assert await locked(loading, run, seq) == seq
    ending = asyncio.create_task(cancel(cancelling, run.job_id, PERSON))
    await eventually(lambda: waits_for_a_lock(db, cancelling.get_server_pid()))
    await load_batch(loading, run, seq)
    await transaction.commit()
    assert (await ending).state == "CANCELLED"
    assert await db.fetchval("SELECT state FROM run_batches") == "LOADED"  # what is loaded stays
    assert await db.fetchval("SELECT bookmark FROM job_checkpoints") == {"at": 1}
