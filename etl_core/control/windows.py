"""Blackout windows: hours in which the schedule starts nothing. A person's run-now starts all the same."""

from __future__ import annotations

from datetime import time

from etl_core.broker.channels import SCHEDULER
from etl_core.control.audit import Actor, record_event
from etl_core.control.places import Place, find_place
from etl_core.errors import InvalidInput, NotFound
from etl_core.models.dispatch import WindowRow
from etl_core.store.database import Connection
from etl_core.store.queries import load

_pauses = load("pauses")
_jobs = load("jobs")


async def add_window(
    conn: Connection,
    *,
    place: Place,
    job_id: int | None,
    weekdays: list[int],
    starts: time,
    ends: time,
    time_zone: str,
    reason: str | None,
    actor: Actor,
) -> WindowRow:
    """A window of a tenant, an integration (`place`) or one job (`job_id`, then `place` is ignored).

    `ends` not after `starts` is on the next day; equal to it, 24 hours later.

    Raises:
        NotFound: no such place or job. InvalidInput: an unknown time zone, or a window for everything.
    """
    async with conn.transaction():
        if not await _pauses.is_time_zone(conn, name=time_zone):
            raise InvalidInput(f"no time zone {time_zone!r}; write a name like Europe/Berlin or UTC")
        if job_id is not None:
            job = await _jobs.lock_job(conn, job_id=job_id)
            if job is None:
                raise NotFound(f"no job with id {job_id}; `etl-tui jobs list` shows all")
            tenant_id, integration_id = job["tenant_id"], None
        else:
            tenant_id, integration_id = await find_place(conn, place)
        if tenant_id is None:
            raise InvalidInput(
                "a window belongs to a job, an integration or a tenant; `etl-tui pause all` stops all"
            )
        window_id = await _pauses.add_window(
            conn,
            tenant_id=tenant_id,
            integration_id=integration_id,
            job_id=job_id,
            weekdays=weekdays,
            starts=starts,
            ends=ends,
            time_zone=time_zone,
            reason=reason,
            created_by=actor.name,
        )
        window = next(row for row in await list_windows(conn) if row.id == window_id)
        await record_event(
            conn,
            "add_window",
            actor,
            tenant_id=tenant_id,
            job_id=job_id,
            before=None,
            after=window.model_dump(mode="json"),
        )
    return window


async def remove_window(conn: Connection, window_id: int, actor: Actor) -> None:
    """Raises NotFound where there is no such window."""
    async with conn.transaction():
        window = next((row for row in await list_windows(conn) if row.id == window_id), None)
        removed = await _pauses.remove_window(conn, window_id=window_id)
        if removed is None:
            raise NotFound(f"no window {window_id}; `etl-tui windows list` shows all")
        await record_event(
            conn,
            "remove_window",
            actor,
            tenant_id=removed["tenant_id"],
            job_id=removed["job_id"],
            before=window.model_dump(mode="json") if window else window_id,
            after=None,
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")


async def list_windows(conn: Connection) -> list[WindowRow]:
    """All windows, by place; `holds_until` is set on those that hold now."""
    return [WindowRow.model_validate(dict(row)) async for row in _pauses.list_windows(conn)]
