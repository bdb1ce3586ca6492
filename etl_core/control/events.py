"""The audit as people read it; `control/audit.py` writes it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from etl_core.models.audit import EventRow
from etl_core.store.database import Connection
from etl_core.store.queries import load

_events = load("events")


async def list_events(
    conn: Connection,
    *,
    job_id: int | None = None,
    tenant: str | None = None,
    since: datetime | None = None,
    actor: str | None = None,
    actions: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[EventRow]:
    """The newest events, newest first: of a job and its integration, or of all or a tenant's jobs.

    Args:
        since: from then on (aware). actor: what the audit names, or the system's user, in any case. actions:
            only these. before_id: older than this event, for the next page.
    """
    chosen = {
        "since": since,
        "actor": actor,
        "actions": None if actions is None else [*actions],
        "before_id": before_id,
        "at_most": limit,
    }
    rows = (
        _events.list_events(conn, tenant=tenant, **chosen)
        if job_id is None
        else _events.list_events_of_job(conn, job_id=job_id, **chosen)
    )
    return [EventRow.model_validate(dict(row)) async for row in rows]
