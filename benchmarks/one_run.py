"""A job that no schedule starts, and one run of it by hand, waited for to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from etl_core.control.audit import Actor
from etl_core.control.jobs import run_now
from etl_core.store.database import Connection

_PERSON: Final = Actor("benchmark")


async def make_job(conn: Connection, name: str, kind: str, config: Mapping[str, Any]) -> int:
    """The job's id; it and its integration have that name, and belong to tenant `bench`."""
    await conn.execute("INSERT INTO tenants (name) VALUES ('bench') ON CONFLICT DO NOTHING")
    await conn.execute("UPDATE etl_jobs SET active = false WHERE integration_id IS NULL")
    job: int = await conn.fetchval(
        "WITH integration AS ("
        " INSERT INTO integrations (name, type, tenant_id, config)"
        " SELECT $1, $2, id, $3 FROM tenants WHERE name = 'bench' RETURNING id, tenant_id)"
        " INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes, integration_id,"
        " tenant_id, active) SELECT $1, 600, 60, id, tenant_id, false FROM integration RETURNING id",
        name,
        kind,
        dict(config),
    )
    return job


async def run_job(
    conn: Connection,
    job: int,
    *,
    limit: float = 1800,
    look_every: float = 0.05,
    while_waiting: Callable[[], None] = lambda: None,
) -> float:
    """Runs the job now; the seconds it took, by Postgres's clock.

    Raises:
        RuntimeError: it failed, or took longer than `limit` seconds.
    """
    asked = await run_now(conn, job, _PERSON)
    give_up = time.monotonic() + limit
    while not await conn.fetchval("SELECT finished_at IS NOT NULL FROM job_runs WHERE id = $1", asked.id):
        while_waiting()
        if time.monotonic() > give_up:
            raise RuntimeError(f"the run did not end within {limit:g} s")
        await asyncio.sleep(look_every)
    run = await conn.fetchrow(
        "SELECT state, error_message, extract(EPOCH FROM finished_at - started_at)::float AS seconds"
        " FROM job_runs WHERE id = $1",
        asked.id,
    )
    if run is None or run["state"] != "SUCCEEDED":
        raise RuntimeError(f"the run failed: {run and run['error_message']}")
    return float(run["seconds"])
