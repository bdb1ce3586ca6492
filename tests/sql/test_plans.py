"""The queries that run every few seconds use their index at 100,000 jobs, on PostgreSQL 15 and 18.

Each is looked at with the plan for its values and with the generic one: asyncpg prepares its statements, and
from the sixth execution on Postgres takes the generic one when that is not dearer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.sql.schema import migrated

JOBS = 100_000

FILL = f"""
SET session_replication_role = replica;  -- no triggers, no foreign keys: they hold
INSERT INTO tenants (name) SELECT 'tenant ' || n FROM generate_series(1, 20) AS n;
DELETE FROM etl_jobs;
INSERT INTO integrations (name, type, tenant_id) SELECT 'i', 'synthetic', id FROM tenants;
INSERT INTO etl_jobs (
    job_name, schedule_interval_minutes, retry_interval_minutes, integration_id, tenant_id, created_at,
    last_updated_at, last_run_started_at, last_run_finished_at, status
)
SELECT
    'job ' || n, 1440, 15, i.id, i.tenant_id, now() - interval '90 days',
    now() - make_interval(secs => n),
    -- Spread over the day: about 70 are due.
    now() - interval '1441 min' + make_interval(secs => n * 86400.0 / {JOBS}),
    now() - make_interval(secs => n),
    CASE WHEN n % 1000 = 0 THEN 'FINISHED' WHEN n % 2000 = 1 THEN 'RUNNING' ELSE 'READY' END
FROM generate_series(1, {JOBS}) AS n
INNER JOIN (SELECT id, tenant_id, row_number() OVER (ORDER BY id) AS number FROM integrations) AS i
    ON i.number = 1 + n % 20;
INSERT INTO workers (host, pid, version, stages, slots) VALUES ('box', 1, '0', '{{extract}}', 4);
INSERT INTO job_runs (job_id, tenant_id, trigger, state, finished_at, worker_id)
SELECT
    j.id, j.tenant_id, 'schedule',
    CASE WHEN j.status <> 'RUNNING' THEN 'SUCCEEDED' WHEN j.id % 4 = 0 THEN 'RUNNING' ELSE 'QUEUED' END,
    CASE WHEN j.status <> 'RUNNING' THEN now() END,
    (SELECT max(id) FROM workers)
FROM etl_jobs AS j;
INSERT INTO run_batches (run_id, seq, lane, stage, state)
SELECT id, 1, 'l', 'load', CASE WHEN state = 'SUCCEEDED' THEN 'LOADED' ELSE 'WAITING' END FROM job_runs;
INSERT INTO job_events (action, actor, tenant_id, job_id, at)
SELECT 'run_now', 'ana', 1 + n % 20, n, now() - make_interval(secs => 2000 - n / 10)
FROM generate_series(1, 20000) AS n;
RESET session_replication_role;
ANALYZE;
"""


class Hot(NamedTuple):
    """A query, values for its parameters as SQL (as they come in it), and the index that it must use."""

    file: str
    query: str
    values: tuple[str, ...]
    uses: str | tuple[str, ...]


STATUS = "idx_etl_jobs_status"
"""Of the documented schema; for a status that few rows have it is as good as a partial index of ours."""

OPEN_RUNS = ("job_runs_ready", "job_runs_open_of_tenant", "job_runs_one_open")
"""Each holds open runs alone, of which there are few."""

HOT = (
    Hot("dispatch", "claim_due", ("8",), "etl_jobs_due_of_tenant"),
    Hot("dispatch", "seconds_to_next_due", (), "etl_jobs_next_due"),
    Hot("dispatch", "claim_capacity", ("10",), OPEN_RUNS),
    Hot("dispatch", "take_runs", ("NULL", "1", "4"), OPEN_RUNS),
    Hot(
        "leases",
        "claim_batch",
        ("'{transform,load}'", "'{1,2,3}'", "false", "1", "true"),
        "run_batches_waiting",
    ),
    Hot("dispatch", "rest_finished", ("60",), ("etl_jobs_finished", STATUS)),
    Hot("dispatch", "end_holds", (), "etl_jobs_held"),
    Hot("jobs", "look_for_changes", ("now() - interval '5 s'", "NULL"), "etl_jobs_changed"),
    Hot("jobs", "look_for_changes", ("now() - interval '5 s'", "'tenant 3'"), "etl_jobs_changed"),
    Hot("jobs", "list_jobs_by_id", ("'{1,2,3}'",), "etl_jobs_pkey"),
    Hot("runs", "read_health", (), OPEN_RUNS),
    Hot("events", "list_events", ("NULL", "NULL", "NULL", "NULL", "NULL", "200"), "job_events_pkey"),
    Hot("processes", "list_orphaned_runs", (), "job_runs_held"),
    Hot("settle", "list_unsettled_runs", (), ("job_runs_one_open", "job_runs_open_of_tenant")),
    Hot("settle", "mend_running_without_run", (), ("etl_jobs_running", STATUS)),
    Hot("settle", "mend_open_run_without_running", (), "job_runs_one_open"),
)

WHOLE_TABLES = {"etl_jobs", "job_runs", "run_batches", "job_events"}
"""Those that grow; none of them is read from end to end every few seconds."""


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The plan's nodes, the outermost first."""
    return [plan, *(inner for child in plan.get("Plans", ()) for inner in nodes(child))]


async def explain(conn: Connection, hot: Hot, mode: str) -> dict[str, Any]:
    await conn.execute(f"SET plan_cache_mode = force_{mode}_plan")
    await conn.execute(f"PREPARE hot AS {getattr(load(hot.file), hot.query).sql}")
    values = f"({', '.join(hot.values)})" if hot.values else ""
    plan: list[dict[str, Any]] = await conn.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE hot{values}")
    await conn.execute("DEALLOCATE hot")
    inner: dict[str, Any] = plan[0]["Plan"]
    return inner


def judge(hot: Hot, mode: str, plan: dict[str, Any]) -> list[str]:
    """What is wrong with a plan."""
    problems = []
    read_whole = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
    if whole := read_whole & WHOLE_TABLES:
        problems.append(f"{hot.query} ({mode}) reads all of {', '.join(sorted(whole))}")
    expected = {hot.uses} if isinstance(hot.uses, str) else set(hot.uses)
    if not expected & {node.get("Index Name") for node in nodes(plan)}:
        problems.append(f"{hot.query} ({mode}) does not use {hot.uses}")
    return problems


EVERY_SECOND = [hot for hot in HOT if hot.query in {"look_for_changes", "list_jobs_by_id"}]
"""Asked by each dashboard; planning them takes longer than answering them."""


async def planned_anew(conn: Connection, hot: Hot) -> list[str]:
    """Whether Postgres goes on planning a query for the values of each time."""
    await conn.execute("SET plan_cache_mode = auto")
    await conn.execute(f"PREPARE hot AS {getattr(load(hot.file), hot.query).sql}")
    for _ in range(6):
        await conn.execute(f"EXECUTE hot({', '.join(hot.values)})")
    kept = await conn.fetchval("SELECT generic_plans FROM pg_prepared_statements WHERE name = 'hot'")
    await conn.execute("DEALLOCATE hot")
    return [] if kept else [f"{hot.query}{hot.values} is planned anew each time"]


async def test_hot_queries_use_their_index(admin_url: str) -> None:
    problems = []
    async with migrated(admin_url) as conn:
        await conn.execute(FILL)
        for hot in HOT:
            custom, generic = [await explain(conn, hot, mode) for mode in ("custom", "generic")]
            problems += judge(hot, "custom", custom)
            if generic["Total Cost"] <= 2 * custom["Total Cost"]:  # else Postgres never takes it
                problems += judge(hot, "generic", generic)
        for hot in EVERY_SECOND:
            problems += await planned_anew(conn, hot)
    assert not problems, "\n".join(problems)
