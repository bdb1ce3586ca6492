"""Ends a run where it is: cancelled by a person, or past its deadline. Nothing of it lands afterwards.

Where rows go to another database, a worker that was lost may have left a batch there of which nothing is
known here. Such a run ends when another worker has looked: else destination and checkpoint would not agree.
"""

from __future__ import annotations

from typing import Any

from etl_core.errors import ErrorKind
from etl_core.lifecycle.settle import end_cancelled, end_early, finish_job
from etl_core.models.run import RunState
from etl_core.rules.outcome import Outcome
from etl_core.store.database import Connection
from etl_core.store.queries import load

_interventions = load("interventions")
_leases = load("leases")


async def lock_open_run(conn: Connection, run_id: int) -> tuple[Any, Any] | None:
    """The rows of job and run, held until the transaction ends; None when the run has ended."""
    job = await _leases.lock_job_of_run(conn, run_id=run_id)
    run = await _leases.lock_run(conn, run_id=run_id)
    if run is None or not RunState(run["state"]).is_open:
        return None
    return job, run


async def cancel_run(conn: Connection, job: Any, run: Any, *, cancelled_by: str) -> bool:
    """CANCELLED; the job is READY and comes back at its normal time. The caller holds both rows.

    False: it will be, once a worker has looked which of its batches are in another database already.
    Cancelled for a second time meanwhile it does not wait: nobody may be able to look.
    """
    if run["cancel_requested_by"] is None and await _must_ask(conn, run, cancelled_by=cancelled_by):
        return False
    await end_cancelled(conn, job, run["id"], cancelled_by=cancelled_by)
    return True


async def fail_run_early(conn: Connection, job: Any, run: Any, *, message: str, actor: str) -> None:
    """FAILED, to be tried again after the retry interval. The caller holds both rows.

    As with `cancel_run`, another database may have to be asked first.
    """
    if await _must_ask(conn, run, message=message):
        return
    await end_early(
        conn, job, run["id"], RunState.FAILED, actor=actor, error_kind=ErrorKind.DEADLINE, message=message
    )
    await finish_job(conn, job, run["id"], Outcome(RunState.FAILED, ErrorKind.DEADLINE, message))


async def _must_ask(
    conn: Connection, run: Any, *, cancelled_by: str | None = None, message: str | None = None
) -> bool:
    """Discards what is not loaded; whether batches are left of which another database must be asked."""
    asked = await _leases.discard_batches(conn, run_id=run["id"])
    if not asked:
        return False
    why = f"cancelled by {cancelled_by}" if cancelled_by else message
    await _interventions.await_landings(
        conn,
        run_id=run["id"],
        ended_by=cancelled_by,
        error_kind=None if cancelled_by else ErrorKind.DEADLINE,
        error_message=message,
        wait_reason=f"{why}; a worker asks its destination what has landed",
    )
    return True
