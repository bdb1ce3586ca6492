"""Writes how a holder leaves its run: ended, failed, parked, given back, or left to who loads the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import timedelta

import asyncpg
import structlog

from etl_core.errors import Fenced
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.lifecycle.settle import COUNTERS, CleanEnd, cut_version, settle_after_commit, settle_locked
from etl_core.rules.outcome import Outcome
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from workers.clean_ends import CleanEnds
from workers.extract import ExtractEnd, storable
from workers.outages import PASSING
from workers.run_log import RunLogs

_leases = load("leases")
_pauses = load("pauses")
_runs = load("runs")

log = structlog.get_logger()

_FENCED = "run {} has ended or belongs to another worker now"


async def write_end(
    pool: Pool,
    run: ClaimedRun,
    worker_id: int,
    end: ExtractEnd | None,
    *,
    discard: bool,
    ends: CleanEnds | None = None,
    counts: Mapping[str, int] | None = None,
    logs: RunLogs | None = None,
) -> None:
    """Leaves the run; `end` None gives it back to the queue.

    Args:
        discard: what is not loaded will not be: a load of ours failed.
        ends: of this worker; its other runs that end now share the transaction.
        logs: of this worker: what they hold of the run comes before what its end says.
        counts: rows that the run has loaded, for its log; None: this worker does not know all of them.

    Raises:
        Fenced: it is another's. PASSING: nothing was written, or all of it; try again.
    """
    if end == ExtractEnd() and not discard:
        ended = await (ends or CleanEnds(pool, worker_id)).end(run)
        if ended is CleanEnd.FENCED:
            raise Fenced(_FENCED.format(run.id))
        if ended is CleanEnd.ENDED:
            if counts is None:
                row = await _runs.run_by_id(pool, run_id=run.id)
                counts = {name: row[name] for name in COUNTERS if name in row}
            log.info("run ended", state="SUCCEEDED", **{n: count for n, count in counts.items() if count})
            return
    if logs is not None:
        await logs.flush(run.id)
    try:
        outcome = await _write(pool, run, worker_id, end, discard=discard)
    except asyncpg.PostgresError as error:
        if not isinstance(error, PASSING):  # it cannot be settled: that extract is done still counts
            await _write(pool, run, worker_id, end, discard=discard, settle=False)
        raise
    if outcome:
        told = {key: value for key, value in asdict(outcome).items() if value}
        log.info("run ended", **told, in_run_log=False)  # whoever settles it has told, with all counts
    else:
        log.info("run left", wait_reason=end.message if end else None, extract_done=end is not None)


async def _write(
    pool: Pool, run: ClaimedRun, worker_id: int, end: ExtractEnd | None, *, discard: bool, settle: bool = True
) -> Outcome | None:
    """In one transaction; without settling, the run stays open for the sweep."""
    actor = f"worker {worker_id}"
    async with pool.acquire() as conn:
        async with conn.transaction():
            job = await _leases.lock_job_of_run(conn, run_id=run.id)
            if (
                await _leases.lock_leased_run(conn, run_id=run.id, lease=run.lease, worker_id=worker_id)
                is None
            ):
                raise Fenced(_FENCED.format(run.id))
            if end is not None and isinstance(end.until, timedelta):
                end = replace(end, until=await _runs.read_clock(conn) + end.until)
            if discard:
                await _leases.discard_batches(conn, run_id=run.id)
            await _write_locked(conn, run.id, end)
            if end is not None and end.until is not None:
                await cut_version(conn, job, run.id, actor=actor)
                # The limit is the credential's: other runs of the integration wait too, not each in turn.
                await _pauses.park_integration(conn, job_id=run.job_id, until=end.until, reason=end.message)
            outcome = await settle_locked(conn, job, run.id, actor=actor) if settle else None
            if outcome is None:
                await _release(conn, run.id, end)
        return outcome or (await settle_after_commit(conn, run.id, actor=actor) if settle else None)


async def _write_locked(conn: Connection, run_id: int, end: ExtractEnd | None) -> None:
    if end is None or end.until is not None:
        return
    if end.error_kind is None:
        await _leases.end_extract(conn, run_id=run_id)
    else:
        await _leases.fail_run(
            conn,
            run_id=run_id,
            error_kind=end.error_kind,
            error_message=end.message and storable(end.message),
        )


async def _release(conn: Connection, run_id: int, end: ExtractEnd | None) -> None:
    """Batches that wait are loaded by whoever takes them up; the last one to be loaded settles the run."""
    waits = end is not None and end.until is not None
    await _leases.release_run(
        conn,
        run_id=run_id,
        ready_at=end.until if end is not None else None,
        wait_reason=storable(end.message or "") if end is not None and waits else None,
        losses=0,
    )


async def give_back(pool: Pool, run_id: int, lease: int, worker_id: int) -> bool:
    """Queues a run again if this worker holds it under this lease; whether it did."""
    async with pool.acquire() as conn, conn.transaction():
        await _leases.lock_job_of_run(conn, run_id=run_id)
        held = await _leases.lock_leased_run(conn, run_id=run_id, lease=lease, worker_id=worker_id)
        if held is None:
            return False
        await _leases.release_run(conn, run_id=run_id, ready_at=None, wait_reason=None, losses=0)
        return True
