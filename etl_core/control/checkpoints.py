"""What a person does to a job's checkpoint. Refused while it runs; a change is a version with a reason."""

from __future__ import annotations

from etl_core.control.audit import Actor, record_event
from etl_core.control.jobs import lock_job
from etl_core.errors import Conflict, InvalidInput
from etl_core.store.database import Connection
from etl_core.store.queries import load

_checkpoints = load("checkpoints")
_settle = load("settle")


async def clear_checkpoint(conn: Connection, job_id: int, actor: Actor, *, reason: str) -> int:
    """Forgets where a job stands: its next run reads everything again. The version that says so.

    Data in the destination stays; records with a key are compared, not doubled.

    Raises:
        NotFound: no such job. Conflict: it runs, or has no checkpoint. InvalidInput: no reason.
    """
    if not reason.strip():
        raise InvalidInput("clearing a checkpoint needs a reason: others will ask why all was read again")
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        name = f"{job['tenant']}/{job['job_name']}"
        if job["status"] == "RUNNING":
            raise Conflict(f"{name} is running: `etl-tui jobs cancel {name}` first, or wait for its end")
        if job["checkpoint_data"] is None:
            raise Conflict(f"{name} has no checkpoint: its next run reads everything anyway")
        await _checkpoints.delete_checkpoints(conn, job_id=job_id)
        version: int = await _settle.cut_checkpoint(
            conn,
            job_id=job_id,
            source="clear",
            actor=actor.name,
            reason=reason.strip(),
            run_id=None,
            document_before=job["checkpoint_data"],
        )
        await record_event(
            conn, "checkpoint_clear", actor, job_id=job_id, reason=reason.strip(), version=version
        )
    return version
