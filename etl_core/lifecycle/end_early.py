"""Ends a run where it is: cancelled by a person, or past its deadline. Nothing of it lands afterwards."""

from __future__ import annotations

from typing import Any

from etl_core.errors import ErrorKind
from etl_core.lifecycle.settle import COUNTERS, cut_version, finish_job
from etl_core.models.run import RunState
from etl_core.rules.outcome import Outcome
from etl_core.store.database import Connection
from etl_core.store.queries import load

_interventions = load("interventions")
_leases = load("leases")
_settle = load("settle")


async def lock_open_run(conn: Connection, run_id: int) -> tuple[Any, Any] | None:
    """The rows of job and run, held until the transaction ends; None when the run has ended."""
    job = await _leases.lock_job_of_run(conn, run_id=run_id)
    run = await _leases.lock_run(conn, run_id=run_id)
    if run is None or not RunState(run["state"]).is_open:
        return None
    return job, run


async def cancel_run(conn: Connection, job: Any, run: Any, *, cancelled_by: str) -> None:
    """CANCELLED; the job is READY and comes back at its normal time. The caller holds both rows."""
    await _end(conn, job, run, RunState.CANCELLED, actor=cancelled_by)
    await _interventions.rest_cancelled_job(conn, job_id=job["id"])


async def fail_run_early(conn: Connection, job: Any, run: Any, *, message: str, actor: str) -> None:
    """FAILED, to be tried again after the retry interval. The caller holds both rows."""
    await _end(conn, job, run, RunState.FAILED, actor=actor, error_kind=ErrorKind.DEADLINE, message=message)
    await finish_job(conn, job, run["id"], Outcome(RunState.FAILED, ErrorKind.DEADLINE, message))


async def _end(
    conn: Connection,
    job: Any,
    run: Any,
    state: RunState,
    *,
    actor: str,
    error_kind: ErrorKind | None = None,
    message: str | None = None,
) -> None:
    tally = await _settle.tally_batches(conn, run_id=run["id"])
    await _interventions.end_run_early(
        conn,
        run_id=run["id"],
        state=state,
        ended_by=actor,
        counters={name: tally[name] for name in COUNTERS},
        error_kind=error_kind,
        error_message=message,
    )
    await cut_version(conn, job, run["id"], actor=actor)
