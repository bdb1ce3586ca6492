"""What ends a job that goes wrong: the deadline of its runs, and how many failures in a row it may have."""

from __future__ import annotations

from etl_core.control.audit import Actor, record_event
from etl_core.control.jobs import lock_job
from etl_core.errors import InvalidInput
from etl_core.models.job import TEN_YEARS_MINUTES
from etl_core.store.database import Connection
from etl_core.store.queries import load

MOST_FAILURES = 100_000

_jobs = load("jobs")


async def set_deadline(conn: Connection, job_id: int, minutes: int | None, actor: Actor) -> None:
    """A run that takes longer is ended FAILED, one that is under way too; None: no deadline.

    Raises:
        NotFound: no such job. InvalidInput: less than a minute or more than ten years.
    """
    if minutes is not None and not 1 <= minutes <= TEN_YEARS_MINUTES:
        raise InvalidInput("a deadline is 1 minute to ten years, or none")
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        if job["deadline_minutes"] == minutes:
            return
        await _jobs.set_deadline(conn, job_id=job_id, minutes=minutes)
        await record_event(
            conn, "set_deadline", actor, job_id=job_id, before=job["deadline_minutes"], after=minutes
        )


async def set_max_failures(conn: Connection, job_id: int, count: int, actor: Actor) -> None:
    """After so many failures in a row the job is switched off; a job that has more goes at its next failure.

    Raises:
        NotFound: no such job. InvalidInput: less than one.
    """
    if not 1 <= count <= MOST_FAILURES:
        raise InvalidInput(f"failures in a row before a job goes off: 1 to {MOST_FAILURES:,}")
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        if job["max_failures"] == count:
            return
        await _jobs.set_max_failures(conn, job_id=job_id, count=count)
        await record_event(
            conn, "set_max_failures", actor, job_id=job_id, before=job["max_failures"], after=count
        )
