"""No-op jobs: each with an integration, and so a destination table, of its own."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from etl_core.broker.channels import SCHEDULER
from etl_core.store.database import Connection

NOTHING: Final = {"records": 0, "mutate": 1}
"""A run finds nothing: its end is all that is kept."""
ONE: Final = {"records": 1, "mutate": 1}
"""Each run finds one changed record: a batch is stored and loaded, the checkpoint moves, a version is cut."""
SLOW: Final = {"records": 16, "page_size": 1, "delay_ms": 500, "mutate": 1}
"""Eight seconds, a batch each half of one."""
OVERDUE: Final = "now() - interval '12 hours'"


async def make_jobs(
    conn: Connection, prefix: str, number: int, config: dict[str, Any], *, tenants: int = 10
) -> None:
    """`number` synthetic jobs that are not due, spread over tenants."""
    await conn.execute(
        "INSERT INTO tenants (name) SELECT 'tenant-' || n FROM generate_series(1, $1::int) AS n"
        " ON CONFLICT DO NOTHING",
        tenants,
    )
    await conn.execute("UPDATE etl_jobs SET active = false WHERE integration_id IS NULL")
    await conn.execute(
        "INSERT INTO integrations (name, type, tenant_id, config)"
        " SELECT $1 || '-' || n, 'synthetic', t.id, $3"
        " FROM generate_series(1, $2::int) AS n"
        " INNER JOIN tenants AS t ON t.name = 'tenant-' || (1 + n % $4::int)",
        prefix,
        number,
        config,
        tenants,
    )
    await conn.execute(
        "INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes, integration_id,"
        " tenant_id, last_run_started_at, created_at)"
        " SELECT i.name, 600, 60, i.id, i.tenant_id, now(), now() FROM integrations AS i"
        " WHERE i.name LIKE $1 || '-%'",
        prefix,
    )
    await conn.execute("ANALYZE")


async def make_due(conn: Connection, prefix: str) -> float:
    """All jobs of that name fall due now, and the scheduler is told; Postgres's clock, in epoch seconds."""
    async with conn.transaction():
        await conn.execute(
            f"UPDATE etl_jobs SET last_run_started_at = {OVERDUE}, status = 'READY', error_kind = NULL"
            " WHERE job_name LIKE $1 || '-%'",
            prefix,
        )
        await conn.execute("SELECT pg_notify($1, '')", SCHEDULER)
    now: float = await conn.fetchval("SELECT extract(EPOCH FROM clock_timestamp())::float")
    return now


async def until_all_ended(conn: Connection, prefix: str, *, since: float, limit: float = 600) -> float:
    """Waits until every job of that name has run; seconds from `since` to the end of the last run.

    Raises:
        RuntimeError: it takes too long, or a run did not succeed.
    """
    give_up = time.monotonic() + limit
    left = (
        "SELECT count(*) FROM etl_jobs WHERE job_name LIKE $1 || '-%'"
        f" AND (status = 'RUNNING' OR last_run_started_at <= {OVERDUE})"
    )
    while await conn.fetchval(left, prefix):
        if time.monotonic() > give_up:
            raise RuntimeError(f"the jobs {prefix}-* did not end within {limit:g} s")
        await asyncio.sleep(0.1)
    row = await conn.fetchrow(
        "SELECT max(extract(EPOCH FROM r.finished_at))::float AS ended,"
        " count(*) FILTER (WHERE r.state <> 'SUCCEEDED') AS failed, min(r.error_message) AS why"
        " FROM job_runs AS r INNER JOIN etl_jobs AS j ON r.job_id = j.id"
        " WHERE j.job_name LIKE $1 || '-%' AND r.queued_at >= to_timestamp($2)",
        prefix,
        since,
    )
    if row is None or row["failed"]:
        raise RuntimeError(f"{row and row['failed']} runs of {prefix}-* failed: {row and row['why']}")
    return float(row["ended"]) - since
