"""A database with thousands of jobs in every state, of several tenants and kinds of integrations."""

from __future__ import annotations

from etl_core.store.database import Connection

KINDS = ("github", "jira", "files", "rest", "postgres", "synthetic")


async def fill(conn: Connection, jobs: int, *, tenants: int = 12) -> None:
    """Jobs that ran, failed, rest or are off, one of 500 that runs; none falls due in the next half hour."""
    await conn.execute("SET session_replication_role = replica")  # no triggers, no foreign keys: they hold
    await conn.execute("DELETE FROM etl_jobs")
    await conn.execute(
        "INSERT INTO tenants (name) SELECT 'tenant-' || n FROM generate_series(1, $1) AS n", tenants
    )
    await conn.execute(
        "INSERT INTO integrations (name, type, tenant_id)"
        " SELECT kind || '-' || n, kind, t.id"
        " FROM unnest($1::text[]) AS kind CROSS JOIN generate_series(1, 3) AS n CROSS JOIN tenants AS t"
        " WHERE t.name LIKE 'tenant-%'",
        list(KINDS),
    )
    await conn.execute(
        "INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes, integration_id,"
        " tenant_id, created_at, last_updated_at, last_run_started_at, last_run_finished_at, last_success_at,"
        " status, error_message, error_kind, retry_count, active, off_by, off_reason)"
        " SELECT i.type || '-' || lpad(n::text, 5, '0'),"
        " CASE n % 4 WHEN 0 THEN 60 WHEN 1 THEN 360 ELSE 1440 END, 45,"
        " i.id, i.tenant_id, now() - interval '90 days', now() - interval '1 hour',"
        " now() - make_interval(secs => 40 + n % 1200), now() - make_interval(secs => n % 1200),"
        " now() - make_interval(secs => CASE WHEN n % 50 = 7 THEN 900000 ELSE n % 1200 END),"
        " CASE WHEN n % 25 = 3 THEN 'FAILED' WHEN n % 500 = 5 THEN 'RUNNING' WHEN n % 60 = 9 THEN 'FINISHED'"
        " ELSE 'READY' END,"
        " CASE WHEN n % 25 = 3 THEN 'timeout after 30 s from ' || i.type || '.example' END,"
        " CASE WHEN n % 25 = 3 THEN 'transient' END, CASE WHEN n % 25 = 3 THEN 1 + n % 4 ELSE 0 END,"
        " n % 40 <> 11, CASE WHEN n % 40 = 11 THEN 'ana' END, CASE WHEN n % 40 = 11 THEN 'noisy' END"
        " FROM generate_series(1, $1::int) AS n"
        " INNER JOIN (SELECT id, type, tenant_id, row_number() OVER (ORDER BY id) AS number"
        " FROM integrations) AS i"
        " ON i.number = 1 + n % (SELECT count(*) FROM integrations)",
        jobs,
    )
    await conn.execute(
        "INSERT INTO job_runs (job_id, tenant_id, trigger, state, queued_at, started_at, finished_at,"
        " counters) SELECT j.id, j.tenant_id, 'schedule',"
        " CASE j.status WHEN 'RUNNING' THEN 'RUNNING' WHEN 'FAILED' THEN 'FAILED' ELSE 'SUCCEEDED' END,"
        " j.last_run_started_at, j.last_run_started_at,"
        " CASE WHEN j.status <> 'RUNNING' THEN j.last_run_finished_at END,"
        " jsonb_build_object('rows_extracted', j.id % 5000, 'rows_new', j.id % 700,"
        " 'rows_changed', j.id % 30, 'rows_expected', 6000)"
        " FROM etl_jobs AS j"
    )
    await conn.execute("RESET session_replication_role")
    await conn.execute("ANALYZE")


async def stay_alive(conn: Connection) -> None:
    """One scheduler and four workers whose heartbeats are an hour ahead."""
    await conn.execute(
        "INSERT INTO workers (host, pid, version, stages, slots, heartbeat_at)"
        " SELECT 'box', n, '0', '{extract,transform,load}', 100, now() + interval '1 hour'"
        " FROM generate_series(1, 4) AS n"
    )
    await conn.execute(
        "INSERT INTO schedulers (host, pid, version, heartbeat_at)"
        " VALUES ('box', 1, '0', now() + interval '1 hour')"
    )
