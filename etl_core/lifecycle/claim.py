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
    tables: int
    """How many destination tables the job has."""
    checkpoint: list[dict[str, Any]] | None
    """Where its partitions stand, as `checkpoints.list_checkpoints` has them, when nobody had the run before
    and they are few; none else moves them while it is open. None: to be asked for."""


async def claim_due_jobs(conn: Connection, *, lost_after: float) -> list[int]:
    """Turns due jobs into QUEUED runs, as many as the workers alive can take; the ids of the runs."""
    capacity = await _dispatch.claim_capacity(conn, lost_after=lost_after)
    if not capacity:
        return []
    claimed = _dispatch.claim_due(conn, at_most=min(capacity, MOST_CLAIMS))
    return [row["id"] async for row in claimed]


async def claim_run(conn: Connection, worker_id: int) -> ClaimedRun | None:
    """The best run that may start, as by `claim_runs`; None when there is none."""
    claimed = await claim_runs(conn, worker_id, 1)
    return claimed[0] if claimed else None


async def claim_runs(conn: Connection, worker_id: int, at_most: int) -> list[ClaimedRun]:
    """The best runs that may start, up to `at_most`, now leased to this worker; none when it is to drain.

    One statement takes all that no limit binds. The others are taken one by one: the rows of a run's limits
    are locked and all is looked at again in the next statement, for two claims at once would both pass a
    count. What ends in an exception may have taken some: who watches its leases gives them back.
    """
    claimed: list[ClaimedRun] = []
    while len(claimed) < at_most:
        best = [
            row
            async for row in _dispatch.take_runs(
                conn, worker_id=worker_id, at_most=at_most - len(claimed), run_id=None
            )
        ]
        claimed += [_claimed(row) for row in best if not row["is_limited"]]
        limited = [row for row in best if row["is_limited"]]
        if not limited:
            return claimed
        full: set[int] = set()
        for row in limited:
            if row["integration_id"] in full:
                continue
            run = await _claim_limited(conn, row["picked_id"], worker_id)
            if run is not None:
                claimed.append(run)
            else:
                full.add(row["integration_id"])
        # Where a limit was reached meanwhile: what are the best runs now?
    return claimed


async def _claim_limited(conn: Connection, run_id: int, worker_id: int) -> ClaimedRun | None:
    """That run, looked at again under the locks of its limits; None when one is reached or it is gone."""
    async with conn.transaction():
        if not await _dispatch.lock_limits(conn, run_id=run_id):
            return None
        taken = [
            _claimed(row)
            async for row in _dispatch.take_runs(conn, worker_id=worker_id, at_most=1, run_id=run_id)
        ]
    return taken[0] if taken else None


def _claimed(row: asyncpg.Record) -> ClaimedRun:
    return ClaimedRun(**{name: row[name] for name in ClaimedRun.__dataclass_fields__})
