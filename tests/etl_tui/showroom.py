"""Jobs in every state, made up, for snapshots, pictures and looks at the real program.

`python -m tests.etl_tui.showroom` furnishes the database of `ETL_DATABASE_URL`, migrated and empty.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from etl_core.store.database import Connection, connect
from tests.support.jobs import make_integration

_JOBS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("acme", "confluence", "rest", {"every": 60, "ago": 58, "new": 1_204}),
    ("acme", "GitHub", "github", {"every": 240, "runs": 31_000, "of": 50_000}),
    ("acme", "Jira", "jira", {"every": 360, "waits": "GitHub limit"}),
    (
        "acme",
        "payments",
        "files",
        {"every": 60, "ago": 3, "failed": "timeout after 30 s from payments.example"},
    ),
    ("acme", "pagerduty", "rest", {"every": 30, "ago": 11, "new": 0}),
    ("acme", "sap-invoices", "postgres", {"every": 720, "ago": 4_320, "off": "noisy"}),
    ("acme", "sentry", "rest", {"every": 60, "ago": 1, "new": 311, "finished": True}),
    ("acme", "stripe", "rest", {"every": 1_440, "ago": 1_380, "new": 88}),
    ("globex", "airports", "files", {"every": 1_440, "ago": 200, "new": 28_298}),
    ("globex", "日本語 ledger", "postgres", {"every": 60, "ago": 20, "new": 5}),
    (
        "globex",
        "warehouse",
        "postgres",
        {"every": 120, "ago": 9, "failed": "permission denied for table orders"},
    ),
)
"""Tenant, name, type of the integration, and how it stands: minutes, and rows of the last run."""


async def furnish(conn: Connection, now: datetime | None = None) -> None:
    """Fills an empty, migrated database; `now` is when it is looked at (default: now)."""
    now = now or datetime.now(UTC)
    alive = max(now, datetime.now(UTC)) + timedelta(days=1)
    worker = await conn.fetchval(
        "INSERT INTO workers (host, pid, version, stages, slots, started_at, heartbeat_at)"
        " VALUES ('etl-1', 4711, 'test', '{extract,transform,load,vectorize}', 4, $1, $2) RETURNING id",
        now - timedelta(days=3),
        alive,
    )
    await conn.execute(
        "INSERT INTO schedulers (host, pid, version, started_at, heartbeat_at)"
        " VALUES ('etl-1', 12, 'test', $1, $2)",
        now - timedelta(days=3),
        alive,
    )
    for tenant, name, kind, stands in _JOBS:
        integration = await make_integration(conn, f"{name}-source", tenant=tenant, kind=kind)
        await _add(conn, tenant, name, integration, worker, now, stands)


async def _add(
    conn: Connection,
    tenant: str,
    name: str,
    integration: int,
    worker: int,
    now: datetime,
    stands: dict[str, Any],
) -> None:
    # Half a minute more: what is told in minutes stays the same for as long as anybody looks.
    started = now - timedelta(minutes=stands.get("ago", 2), seconds=30)
    ended = started + timedelta(seconds=25)
    running = "runs" in stands or "waits" in stands
    failed = stands.get("failed")
    status = "RUNNING" if running else "FAILED" if failed else "FINISHED" if "finished" in stands else "READY"
    job = await conn.fetchval(
        "INSERT INTO etl_jobs (job_name, tenant_id, integration_id, status, schedule_interval_minutes,"
        " retry_interval_minutes, last_run_started_at, last_run_finished_at, last_success_at, created_at,"
        " active, error_message, error_kind, retry_count, off_by, off_reason)"
        " SELECT $1, id, $3, $4, $5, 15, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15"
        " FROM tenants WHERE name = $2 RETURNING id",
        name,
        tenant,
        integration,
        status,
        stands["every"],
        started,
        now - timedelta(minutes=stands["every"], seconds=30) if running else ended,
        now - timedelta(days=1 if failed else 0, minutes=stands.get("ago", 0) + 1),
        now - timedelta(days=30),
        "off" not in stands,
        failed,
        "transient" if failed else None,
        2 if failed else 0,
        "ana" if "off" in stands else None,
        stands.get("off"),
    )
    rows = stands.get("runs") or stands.get("new") or 0
    counters = {"rows_extracted": max(rows, 400), "rows_new": rows, "rows_expected": stands.get("of", rows)}
    state = "QUEUED" if "waits" in stands else "RUNNING" if running else "FAILED" if failed else "SUCCEEDED"
    run = await conn.fetchval(
        "INSERT INTO job_runs (job_id, tenant_id, trigger, state, ready_at, wait_reason, worker_id,"
        " queued_at, started_at, finished_at, counters, error_kind, error_message)"
        " SELECT id, tenant_id, 'schedule', $2, $3, $4, $5, $6, $6, $7, $8, error_kind, error_message"
        " FROM etl_jobs WHERE id = $1 RETURNING id",
        job,
        state,
        now + timedelta(minutes=32, seconds=30) if "waits" in stands else started,
        stands.get("waits"),
        worker if state == "RUNNING" else None,
        started,
        None if running else ended,
        counters,
    )
    if "runs" in stands:
        await conn.execute(
            "INSERT INTO run_batches (run_id, seq, lane, stage, state, counts, stored_at, loaded_at)"
            " VALUES ($1, 1, 'pull_requests/octo/app', 'load', 'LOADED', $2, $3, $3)",
            run,
            counters,
            now,
        )


async def _main() -> None:
    from etl_core.settings import load_settings

    url = load_settings().database_url
    assert url is not None, "set ETL_DATABASE_URL"
    conn = await connect(url.get_secret_value(), application_name="showroom")
    try:
        await furnish(conn)
    finally:
        await conn.close()


if __name__ == "__main__":
    asyncio.run(_main())
