"""Ends a run when its last batch is accounted for.

Called when a worker has done its part, and by the scheduler's sweep. The run is locked in one statement and
its batches are counted in the next: whoever comes last sees everything that the others committed. Counting in
the locking statement, or without the lock, loses the last batch now and then: the run stays RUNNING for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import asyncpg

from etl_core.control.audit import Actor, record_event
from etl_core.errors import ErrorKind
from etl_core.models.run import RunState
from etl_core.rules.outcome import FailedPartition, Outcome, RunTally, decide
from etl_core.store.database import Connection
from etl_core.store.queries import load

_interventions = load("interventions")
_leases = load("leases")
_run_logs = load("run_logs")
_settle = load("settle")

COUNTERS = (
    "rows_extracted",
    "rows_new",
    "rows_changed",
    "rows_unchanged",
    "rows_deleted",
    "rows_rejected",
    "values_left_out",
    "batches",
    "bytes",
)


async def settle_run(conn: Connection, run_id: int, *, actor: str) -> Outcome | None:
    """Ends the run if extract is done and nothing is left to load; None while there is, or when it has ended.

    Args:
        actor: who moved the checkpoint, as its history names it (`worker 7`, `sweep`).
    """
    async with conn.transaction():
        job = await _leases.lock_job_of_run(conn, run_id=run_id)
        return await settle_locked(conn, job, run_id, actor=actor)


async def settle_locked(conn: Connection, job: asyncpg.Record, run_id: int, *, actor: str) -> Outcome | None:
    """As `settle_run`, in the caller's transaction, which holds `job`, the row of `etl_jobs`."""
    run = await _leases.lock_run(conn, run_id=run_id)
    if run is None or not RunState(run["state"]).is_open or not run["extract_done"]:
        return None
    tally = await _settle.tally_batches(conn, run_id=run_id)
    if tally["unloaded"]:
        return None
    if run["cancel_requested_by"] is not None:  # it waited only to hear what of it has landed
        await end_cancelled(conn, job, run_id, cancelled_by=run["cancel_requested_by"])
        return Outcome(RunState.CANCELLED)
    outcome = decide(
        RunTally(
            error_kind=run["error_kind"],
            error_message=run["error_message"],
            set_aside_seq=tally["set_aside_seq"],
            set_aside_error=tally["set_aside_error"],
            set_aside_losses=tally["set_aside_attempts"],
            rows_extracted=tally["rows_extracted"],
            rows_rejected=tally["rows_rejected"],
            failed_partitions=[
                FailedPartition(**row) async for row in _settle.list_failed_partitions(conn, run_id=run_id)
            ]
            if tally["failed_partitions"]
            else (),
            partitions=await _settle.count_partitions(conn, run_id=run_id, job_id=job["id"])
            if tally["failed_partitions"]
            else 0,
            frequent_reasons=[
                (row["reason"], row["times"]) async for row in _settle.frequent_reasons(conn, run_id=run_id)
            ]
            if tally["rows_rejected"]
            else (),
        )
    )
    after = await _settle.end_run(
        conn,
        run_id=run_id,
        job_id=job["id"],
        state=outcome.state,
        counters={name: tally[name] for name in COUNTERS},
        error_kind=outcome.error_kind,
        error_message=outcome.error_message,
        hold_reason=outcome.hold_reason,
        actor=actor,
    )
    await _tell_if_switched_off(conn, job, run_id, after)
    await _tell_end(conn, run_id, tally, outcome)
    return outcome


class CleanEnd(StrEnum):
    """What became of a run that its holder wanted to end as one that went through."""

    ENDED = "ended"
    FENCED = "fenced"
    """It is not this worker's under this lease."""
    UNDECIDED = "undecided"
    """Nothing was written: there is more to decide."""
    BUSY = "busy"
    """Nothing was written: somebody has its job's row in hand."""


async def end_clean_runs(
    conn: Connection, runs: Sequence[tuple[int, int]], worker_id: int
) -> dict[int, CleanEnd]:
    """Ends runs (id, lease) that went through, all in one transaction; run id -> what became of it."""
    return {
        row["run_id"]: CleanEnd(row["answer"])
        async for row in _settle.end_clean_runs(
            conn,
            run_ids=[run_id for run_id, _ in runs],
            leases=[lease for _, lease in runs],
            worker_id=worker_id,
        )
    }


async def settle_after_commit(conn: Connection, run_id: int, *, actor: str) -> Outcome | None:
    """Ends the run if what this process has just committed was the last of it.

    Two workers that finish at once may each have seen the other's part as open; looking again after the
    commit, at least one of them finds everything done.
    """
    if not await _settle.is_settleable(conn, run_id=run_id):
        return None
    return await settle_run(conn, run_id, actor=actor)


async def end_cancelled(conn: Connection, job: asyncpg.Record, run_id: int, *, cancelled_by: str) -> None:
    """CANCELLED; the job is READY and comes back at its normal time. The caller holds both rows."""
    await end_early(conn, job, run_id, RunState.CANCELLED, actor=cancelled_by)
    await _interventions.rest_cancelled_job(conn, job_id=job["id"])


async def end_early(
    conn: Connection,
    job: asyncpg.Record,
    run_id: int,
    state: RunState,
    *,
    actor: str,
    error_kind: ErrorKind | None = None,
    message: str | None = None,
) -> None:
    """Ends a run where it is: what is not loaded is discarded. The caller holds job and run."""
    tally = await _settle.tally_batches(conn, run_id=run_id)
    await _interventions.end_run_early(
        conn,
        run_id=run_id,
        state=state,
        ended_by=actor,
        counters={name: tally[name] for name in COUNTERS},
        error_kind=error_kind,
        error_message=message,
    )
    await cut_version(conn, job, run_id, actor=actor)
    await _tell_end(conn, run_id, tally, Outcome(state, error_kind, message), by=actor)


async def _tell_end(
    conn: Connection, run_id: int, tally: asyncpg.Record, outcome: Outcome, *, by: str | None = None
) -> None:
    """The last line of a run's log, in the transaction of its end; a clean end is told by its worker."""
    about = {"state": outcome.state, "kind": outcome.error_kind, "error": outcome.error_message, "by": by}
    levels = {RunState.FAILED: "error", RunState.CANCELLED: "warning"}
    await _run_logs.add_line(
        conn,
        run_id=run_id,
        level=levels.get(outcome.state, "info"),
        message="run ended",
        fields={name: value for name, value in about.items() if value}
        | {name: tally[name] for name in COUNTERS if tally[name]},
    )


async def finish_job(conn: Connection, job: asyncpg.Record, run_id: int, outcome: Outcome) -> None:
    """What the job's row shows of a run that was ended early.

    `job` is the row of `etl_jobs` before, locked by the caller's transaction.
    """
    after = await _settle.finish_job(
        conn,
        job_id=job["id"],
        succeeded=outcome.succeeded,
        error_kind=outcome.error_kind,
        error_message=outcome.error_message,
        hold_reason=outcome.hold_reason,
    )
    await _tell_if_switched_off(conn, job, run_id, after)


async def _tell_if_switched_off(
    conn: Connection, job: asyncpg.Record, run_id: int, after: asyncpg.Record
) -> None:
    if job["active"] and not after["active"]:
        await record_event(
            conn,
            "switched_off",
            Actor("etl-tui"),
            job_id=job["id"],
            run_id=run_id,
            reason=after["off_reason"],
        )


async def cut_version(conn: Connection, job: asyncpg.Record, run_id: int, *, actor: str) -> None:
    """A version of the job's checkpoint, if the run moved it: when it settles, parks or is taken over.

    `job` is the row of `etl_jobs`, locked by the caller's transaction.
    """
    await _settle.cut_checkpoint(
        conn,
        job_id=job["id"],
        source="run",
        actor=actor,
        reason=None,
        run_id=run_id,
    )
