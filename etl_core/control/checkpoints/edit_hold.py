"""Holds a job while its checkpoint is edited, so that no run begins meanwhile: for 15 minutes at a time."""

from __future__ import annotations

from etl_core.broker.channels import SCHEDULER
from etl_core.control.audit import Actor, record_event
from etl_core.errors import Conflict, NotFound
from etl_core.models.checkpoint import EditHold
from etl_core.store.database import Connection
from etl_core.store.queries import load

_checkpoints = load("checkpoints")
_jobs = load("jobs")

REASON = "edit in progress"
MINUTES = 15


class AlreadyHeld(Conflict):
    """Something else holds the job: no run begins of itself, but it may end before the edit does."""


async def begin_edit(conn: Connection, job_id: int, actor: Actor) -> EditHold:
    """Holds the job; it ends by itself after 15 minutes unless it is renewed.

    Raises:
        NotFound: no such job. Conflict: it runs. AlreadyHeld: something holds it already, which serves as
            well, or somebody else edits it; says who and why.
    """
    async with conn.transaction():
        job = await _checkpoints.hold_checkpoint(conn, job_id=job_id)
        if job is None:
            raise NotFound(f"no job with id {job_id}; `etl-tui jobs list` shows all")
        name = job["job_name"]
        if job["status"] == "RUNNING":
            raise Conflict(f"{name} is running: `etl-tui jobs cancel {name}` first, or wait for its end")
        row = await _checkpoints.begin_edit(
            conn, job_id=job_id, held_by=actor.name, reason=REASON, minutes=MINUTES
        )
        if row is None:
            held = await _checkpoints.hold_of(conn, job_id=job_id)
            until = f" until {held['held_until']:%H:%M} UTC" if held["held_until"] else ""
            raise AlreadyHeld(f"{name} is held by {held['held_by']}{until}: {held['hold_reason']}")
        await record_event(conn, "edit_begin", actor, job_id=job_id, until=row["held_until"])
        return EditHold(job_id=job_id, held_by=actor.name, until=row["held_until"])


async def renew_edit(conn: Connection, job_id: int, actor: Actor) -> EditHold:
    """Another 15 minutes from now.

    Raises:
        Conflict: the hold is not there any more; a run may have begun.
    """
    row = await _checkpoints.renew_edit(
        conn, job_id=job_id, held_by=actor.name, reason=REASON, minutes=MINUTES
    )
    if row is None:
        raise Conflict("the hold for this edit has ended: a run may have begun; read the checkpoint again")
    return EditHold(job_id=job_id, held_by=actor.name, until=row["held_until"])


async def end_edit(conn: Connection, job_id: int, actor: Actor) -> None:
    """Ends the hold of this person's edit; another hold stays."""
    async with conn.transaction():
        await _checkpoints.end_edit(conn, job_id=job_id, held_by=actor.name, reason=REASON)
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")
