"""What bars a place: claims find it from its causes, people are told it in words; both agree."""

from __future__ import annotations

import itertools
import random

import pytest

from etl_core.lifecycle.claim import claim_runs
from etl_core.store.database import Connection
from tests.support.jobs import make_integration, make_job, make_worker

ALWAYS = "'{1,2,3,4,5,6,7}', '00:00', '00:00', 'UTC', 'tess'"
LONG_OVER = (
    "ARRAY[extract(isodow FROM now() AT TIME ZONE 'UTC' - interval '2 days')::int], '00:00', '00:01',"
    " 'UTC', 'tess'"
)
PLACES = list(itertools.product(("acme", "other"), ("a", "b")))

CAUSES = {
    "all paused": "INSERT INTO pauses (reason, paused_by) VALUES ('x', 'tess')",
    "tenant paused": (
        "INSERT INTO pauses (tenant_id, reason, paused_by)"
        " SELECT id, 'x', 'tess' FROM tenants WHERE name = 'acme'"
    ),
    "integration paused": (
        "INSERT INTO pauses (tenant_id, integration_id, reason, paused_by)"
        " SELECT tenant_id, id, 'x', 'tess' FROM integrations WHERE name = 'b'"
    ),
    "tenant blacked out": (
        "INSERT INTO blackout_windows (tenant_id, weekdays, starts, ends, time_zone, created_by)"
        f" SELECT id, {ALWAYS} FROM tenants WHERE name = 'other'"
    ),
    "integration blacked out": (
        "INSERT INTO blackout_windows"
        " (tenant_id, integration_id, weekdays, starts, ends, time_zone, created_by)"
        f" SELECT tenant_id, id, {ALWAYS} FROM integrations WHERE name = 'a'"
    ),
    "job blacked out": (
        "INSERT INTO blackout_windows (tenant_id, job_id, weekdays, starts, ends, time_zone, created_by)"
        f" SELECT tenant_id, id, {ALWAYS} FROM etl_jobs WHERE job_name = 'a 1'"
    ),
    "a window that is over": (
        "INSERT INTO blackout_windows (tenant_id, weekdays, starts, ends, time_zone, created_by)"
        f" SELECT id, {LONG_OVER} FROM tenants"
    ),
    "rate limited": "UPDATE integrations SET ready_at = now() + interval '1 h' WHERE name = 'a'",
    "no longer rate limited": "UPDATE integrations SET ready_at = now() - interval '1 s' WHERE name = 'b'",
    "integration full": "UPDATE integrations SET max_runs = 1 WHERE name = 'a'",
    "integration not full": "UPDATE integrations SET max_runs = 2 WHERE name = 'b'",
    "tenant full": "UPDATE tenants SET max_runs = 2 WHERE name = 'acme'",
    "all full": "UPDATE dispatch_limits SET max_runs = 4",
    "all not full": "UPDATE dispatch_limits SET max_runs = 5",
}


async def fill(db: Connection) -> int:
    """Four places with a run in hand and three queued each, one of those a person's; the worker."""
    worker_id = await make_worker(db, slots=100)
    for tenant, integration in PLACES:
        await make_integration(db, integration, tenant=tenant)
        for number in range(4):
            await make_job(db, f"{integration} {number}", tenant=tenant, integration=integration)
    await db.execute(
        "INSERT INTO job_runs (job_id, tenant_id, trigger, state, worker_id)"
        " SELECT id, tenant_id, CASE WHEN job_name LIKE '% 3' THEN 'manual' ELSE 'schedule' END,"
        " CASE WHEN job_name LIKE '% 0' THEN 'RUNNING' ELSE 'QUEUED' END,"
        " CASE WHEN job_name LIKE '% 0' THEN $1::bigint END"
        " FROM etl_jobs WHERE tenant_id IN (SELECT id FROM tenants WHERE name IN ('acme', 'other'))",
        worker_id,
    )
    await db.execute("UPDATE etl_jobs SET status = 'RUNNING' WHERE id IN (SELECT job_id FROM job_runs)")
    return worker_id


BARS = """
SELECT r.id, q.bar, dispatch_obstacle(r.job_id, r.trigger = 'manual') ->> 'kind' AS told
FROM job_runs AS r INNER JOIN ready_runs AS q ON r.id = q.id
ORDER BY r.id
"""
SAME = {None: "none", "busy": "busy", "paused": "closed", "blackout": "closed", "limited": "closed"}


@pytest.mark.parametrize("cause", CAUSES)
async def test_each_cause_bars_what_people_are_told(db: Connection, cause: str) -> None:
    worker_id = await fill(db)
    await db.execute(CAUSES[cause])
    rows = await db.fetch(BARS)
    assert len(rows) == 12
    assert [row["bar"] for row in rows] == [SAME[row["told"]] for row in rows]
    barred = cause not in {
        "a window that is over",
        "no longer rate limited",
        "integration not full",
        "all not full",
    }
    assert ({row["bar"] for row in rows} != {"none"}) is barred
    # And nothing of it is taken.
    free = {row["id"] for row in rows if row["bar"] == "none"}
    assert {run.id for run in await claim_runs(db, worker_id, 100)} <= free


async def test_causes_together_bar_what_people_are_told(db: Connection) -> None:
    """The first that people are told decides whether a run counts against limits."""
    await fill(db)
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    for _ in range(40):
        causes = dice.sample(sorted(CAUSES), dice.randint(2, 5))
        transaction = db.transaction()
        await transaction.start()
        for cause in causes:
            await db.execute(CAUSES[cause])
        rows = await db.fetch(BARS)
        assert [row["bar"] for row in rows] == [SAME[row["told"]] for row in rows], f"seed {seed}: {causes}"
        await transaction.rollback()
