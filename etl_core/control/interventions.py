"""What a person does to a job beside its schedule: cancel, release, hold, clear, snooze."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from etl_core.broker.channels import SCHEDULER
from etl_core.control.audit import Actor, record_event
from etl_core.control.jobs import lock_job
from etl_core.control.runs import open_run, show_run
from etl_core.errors import Conflict, InvalidInput
from etl_core.lifecycle.end_early import cancel_run, lock_open_run
from etl_core.models.run import RunRow
from etl_core.store.database import Connection
from etl_core.store.queries import load

_interventions = load("interventions")
_jobs = load("jobs")
_leases = load("leases")
_run_logs = load("run_logs")


async def cancel(conn: Connection, job_id: int, actor: Actor) -> RunRow:
    """Ends the open run of a job; what is loaded stays, with the checkpoint behind it.

    The job is READY and runs again at its normal time. Its worker notices within a second or two and stops.

    Raises:
        NotFound: no such job. Conflict: it is not running.
    """
    async with conn.transaction():
        job, run = await _hold_open_run(conn, job_id, "there is nothing to cancel")
        await cancel_run(conn, job, run, cancelled_by=actor.name)
        cancelled = await show_run(conn, run["id"])
        await record_event(
            conn,
            "cancel",
            actor,
            job_id=job_id,
            run_id=run["id"],
            before={"state": run["state"], "wait_reason": run["wait_reason"]},
            after={"state": cancelled.state},
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")
        return cancelled


async def release(conn: Connection, job_id: int, actor: Actor) -> RunRow:
    """Takes the open run from its worker and queues it for another: for a person who knows that it hangs.

    The worker is fenced: what it still does is not written. The next one goes on from the last stored batch.

    Raises:
        NotFound: no such job. Conflict: it is not running, or no worker holds its run.
    """
    async with conn.transaction():
        _, run = await _hold_open_run(conn, job_id, "there is nothing to release")
        if run["worker_id"] is None:
            raise Conflict(
                f"run {run['id']} is held by no worker; `etl-tui jobs why {job_id}` says what it waits for"
            )
        await _leases.release_run(conn, run_id=run["id"], ready_at=None, wait_reason=None, losses=0)
        await _run_logs.add_line(
            conn,
            run_id=run["id"],
            level="warning",
            message=f"released by {actor.name}: another worker goes on behind the last stored batch",
            fields={"worker": run["worker_id"], "by": actor.name},
        )
        released = await show_run(conn, run["id"])
        await record_event(
            conn,
            "release",
            actor,
            job_id=job_id,
            run_id=run["id"],
            worker=run["worker_id"],
            lease=run["lease"],
            before={"state": run["state"], "worker": run["worker_id"]},
            after={"state": released.state, "worker": None},
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload=str(run["id"]))
        return released


async def hold(
    conn: Connection, job_id: int, actor: Actor, *, reason: str, minutes: int | None = None
) -> None:
    """The job waits for a person; with `minutes` the hold ends by itself. A run that is open goes on.

    Raises:
        NotFound: no such job. InvalidInput: no reason.
    """
    reason = reason.strip()
    if not reason:
        raise InvalidInput("a hold needs a reason: others will ask why the job waits")
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        await _interventions.hold_job(conn, job_id=job_id, held_by=actor.name, reason=reason, minutes=minutes)
        await record_event(
            conn,
            "hold",
            actor,
            job_id=job_id,
            reason=reason,
            minutes=minutes,
            before={name: job[name] for name in ("held", "held_by", "hold_reason", "held_until")},
            after={"held": True, "held_by": actor.name, "hold_reason": reason, "minutes": minutes},
        )


async def end_hold(conn: Connection, job_id: int, actor: Actor, *, reason: str) -> None:
    """Takes back the hold of this reason, and nothing else: a failure or a snooze stays.

    Raises:
        NotFound: no such job. Conflict: it is not held for this reason.
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        ended = await _interventions.end_hold(conn, job_id=job_id, reason=reason.strip())
        if ended is None:
            raise Conflict(f"{job['tenant']}/{job['job_name']} is not held for this reason any more")
        await record_event(
            conn,
            "end_hold",
            actor,
            job_id=job_id,
            reason=reason.strip(),
            before={name: job[name] for name in ("held", "held_by", "hold_reason", "held_until")},
            after={"held": False, "held_by": None, "hold_reason": None, "held_until": None},
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")


async def clear(conn: Connection, job_id: int, actor: Actor) -> None:
    """Ends hold, failure and snooze: FAILED becomes READY, failures in a row are forgotten.

    Raises:
        NotFound: no such job. Conflict: there is nothing to clear.
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        if not (job["held"] or job["status"] == "FAILED" or job["retry_count"] or job["not_before"]):
            raise Conflict(f"{job['tenant']}/{job['job_name']} has no hold, failure or snooze to clear")
        await _interventions.clear_job(conn, job_id=job_id)
        await record_event(
            conn,
            "clear",
            actor,
            job_id=job_id,
            before={
                name: job[name]
                for name in (
                    "status",
                    "held",
                    "held_by",
                    "hold_reason",
                    "held_until",
                    "not_before",
                    "error_kind",
                    "error_message",
                    "retry_count",
                )
            },
            after={
                "status": "READY" if job["status"] == "FAILED" else job["status"],
                "held": False,
                "not_before": None,
                "retry_count": 0,
            },
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")


async def snooze(conn: Connection, job_id: int, actor: Actor, *, until: datetime | None) -> None:
    """The job does not start by itself before `until` (aware); None ends the snooze.

    Raises:
        NotFound: no such job.
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        await _interventions.snooze_job(conn, job_id=job_id, until=until)
        await record_event(conn, "snooze", actor, job_id=job_id, before=job["not_before"], after=until)
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")


async def _hold_open_run(conn: Connection, job_id: int, otherwise: str) -> tuple[Any, Any]:
    job = await lock_job(conn, job_id)
    run = await open_run(conn, job_id)
    held = await lock_open_run(conn, run.id) if run else None
    if held is None:
        raise Conflict(f"{job['tenant']}/{job['job_name']} is not running: {otherwise}")
    return held
