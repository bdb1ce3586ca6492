"""Claims: once each, fair between tenants, no more than the workers alive can take, whatever the rows say."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from etl_core.control.jobs import run_now
from etl_core.lifecycle.claim import MOST_CLAIMS, claim_due_jobs, claim_run
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.lifecycle.conftest import Connect
from tests.support.jobs import PERSON, fall_silent, make_integration, make_job, make_worker, one, start_run

_dispatch = load("dispatch")

LOST_AFTER = 10.0


async def make_due_jobs(db: Connection, count: int, *, tenant: str = "acme") -> list[int]:
    """So many due jobs, the first due first."""
    integration_id = await make_integration(db, tenant=tenant)
    rows = await db.fetch(
        "INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes, integration_id,"
        " tenant_id, created_at, last_run_started_at)"
        " SELECT 'job ' || n, 60, 15, id, tenant_id, now() - interval '30 days',"
        " now() - interval '10 days' + n * interval '1 s'"
        " FROM integrations CROSS JOIN generate_series(1, $1::int) AS n WHERE id = $2 RETURNING id",
        count,
        integration_id,
    )
    return [row["id"] for row in rows]


async def claimed_jobs(db: Connection) -> list[int]:
    """The jobs of all runs, in the order of the runs."""
    return [row["job_id"] for row in await db.fetch("SELECT job_id FROM job_runs ORDER BY id")]


async def test_a_due_job_becomes_a_queued_run(db: Connection) -> None:
    job_id = await make_job(db)
    await db.execute("UPDATE etl_jobs SET error_message = 'old'")
    await make_worker(db)
    (run_id,) = await claim_due_jobs(db, lost_after=LOST_AFTER)
    run = await one(db, "SELECT * FROM job_runs")
    assert (run["id"], run["job_id"], run["state"], run["trigger"]) == (run_id, job_id, "QUEUED", "schedule")
    assert run["started_at"] is None
    job = await one(db, "SELECT * FROM etl_jobs")
    assert (job["status"], job["error_message"], job["due_at"]) == ("RUNNING", None, None)
    assert job["last_run_started_at"] is not None
    assert await claim_due_jobs(db, lost_after=LOST_AFTER) == []


async def test_a_failed_job_is_a_retry(db: Connection) -> None:
    await make_job(db)
    await db.execute(
        "UPDATE etl_jobs SET status = 'FAILED', error_kind = 'transient',"
        " last_run_started_at = now() - interval '20 min', last_run_finished_at = now() - interval '16 min'"
    )
    await make_worker(db)
    await claim_due_jobs(db, lost_after=LOST_AFTER)
    assert await db.fetchval("SELECT trigger FROM job_runs") == "retry"


async def test_ten_missed_intervals_are_one_run(db: Connection) -> None:
    await make_job(db, schedule=60)
    await db.execute("UPDATE etl_jobs SET last_run_started_at = now() - interval '10 hours'")
    await make_worker(db, slots=50)
    assert len(await claim_due_jobs(db, lost_after=LOST_AFTER)) == 1
    # As if it had ended: the next time counts from now, not from the missed ones.
    await db.execute("UPDATE job_runs SET state = 'SUCCEEDED', finished_at = now()")
    await db.execute("UPDATE etl_jobs SET status = 'FINISHED', last_run_finished_at = now()")
    assert await claim_due_jobs(db, lost_after=LOST_AFTER) == []
    left = await db.fetchval("SELECT extract(epoch FROM due_at - last_run_started_at)::int FROM etl_jobs")
    assert left == 3600


async def test_tenants_take_turns(db: Connection) -> None:
    """One tenant with 500 due jobs, all longer due than the three of another."""
    await make_due_jobs(db, 500, tenant="big")
    small = [await make_job(db, f"small {n}", tenant="small") for n in range(3)]
    await make_worker(db, slots=4)
    await claim_due_jobs(db, lost_after=LOST_AFTER)
    assert set(small) <= set(await claimed_jobs(db))
    assert await db.fetchval("SELECT count(*) FROM job_runs") == 8


async def test_the_longest_due_go_first_within_a_tenant(db: Connection) -> None:
    jobs = await make_due_jobs(db, 20)
    await make_worker(db, slots=2)
    await claim_due_jobs(db, lost_after=LOST_AFTER)
    assert set(await claimed_jobs(db)) == set(jobs[:4])


async def test_capacity_is_twice_the_free_slots_less_what_is_queued(db: Connection) -> None:
    await make_due_jobs(db, 40)
    worker_id = await make_worker(db, slots=3)
    assert len(await claim_due_jobs(db, lost_after=LOST_AFTER)) == 6
    assert await claim_due_jobs(db, lost_after=LOST_AFTER) == []
    assert await claim_run(db, worker_id) is not None  # one slot taken: 2 x 2 free, 5 queued
    assert await claim_due_jobs(db, lost_after=LOST_AFTER) == []
    await db.execute("UPDATE job_runs SET ready_at = now() + interval '1 h' WHERE state = 'QUEUED'")
    assert len(await claim_due_jobs(db, lost_after=LOST_AFTER)) == 4  # the parked ones could not start


async def test_short_runs_let_a_second_s_work_wait(db: Connection) -> None:
    """As many more as jobs finished in the last second, for their slots are free before anybody can claim."""
    await make_due_jobs(db, 40)
    worker_id = await make_worker(db, slots=2)
    finished = await make_due_jobs(db, 7, tenant="quick")
    await db.execute(
        "UPDATE etl_jobs SET status = 'FINISHED', last_run_started_at = now(), last_run_finished_at = now()"
        " WHERE id = any($1::int[])",
        finished,
    )
    assert len(await claim_due_jobs(db, lost_after=LOST_AFTER)) == 2 * 2 + 7
    assert await claim_due_jobs(db, lost_after=LOST_AFTER) == []
    await db.execute(
        "UPDATE etl_jobs SET last_run_finished_at = now() - interval '2 s' WHERE status = 'FINISHED'"
    )
    await db.execute("DELETE FROM job_runs")
    assert len(await claim_due_jobs(db, lost_after=LOST_AFTER)) == 2 * 2
    await db.execute("UPDATE workers SET stopped_at = now() WHERE id = $1", worker_id)
    await db.execute("UPDATE etl_jobs SET last_run_finished_at = now() WHERE status = 'FINISHED'")
    assert await claim_due_jobs(db, lost_after=LOST_AFTER) == []


@pytest.mark.parametrize("gone", ["none", "silent", "stopped", "lost", "only loads"])
async def test_nothing_is_claimed_while_no_worker_is_alive(db: Connection, gone: str) -> None:
    """Jobs stay due, and so visible as waiting, rather than pile up as runs."""
    await make_job(db)
    if gone != "none":
        worker_id = await make_worker(db)
        if gone == "silent":
            await fall_silent(db, worker_id, LOST_AFTER + 1)
        elif gone == "only loads":
            await db.execute("UPDATE workers SET stages = '{transform,load}'")
        else:
            await db.execute(f"UPDATE workers SET {gone}_at = now()")
    assert await claim_due_jobs(db, lost_after=LOST_AFTER) == []
    assert await db.fetchval("SELECT status FROM etl_jobs") == "READY"
    await make_worker(db)
    assert len(await claim_due_jobs(db, lost_after=LOST_AFTER)) == 1


async def test_a_statement_claims_at_most_500(db: Connection) -> None:
    await make_due_jobs(db, MOST_CLAIMS + 1)
    await make_worker(db, slots=10_000)
    assert len(await claim_due_jobs(db, lost_after=LOST_AFTER)) == MOST_CLAIMS
    assert len(await claim_due_jobs(db, lost_after=LOST_AFTER)) == 1


@pytest.mark.parametrize("contradictory", [1, 5])
async def test_a_contradictory_row_does_not_stop_dispatch(db: Connection, contradictory: int) -> None:
    """Jobs that are due and have an open run: left alone, also when they are all that a claim would reach."""
    jobs = await make_due_jobs(db, 10)
    await db.execute(
        "INSERT INTO job_runs (job_id, tenant_id, trigger, ready_at)"
        " SELECT id, tenant_id, 'schedule', 'infinity' FROM etl_jobs WHERE id = any($1::int[])",
        jobs[:contradictory],
    )
    await make_worker(db, slots=1)
    await claim_due_jobs(db, lost_after=LOST_AFTER)
    assert await claimed_jobs(db) == jobs[: contradictory + 2]


async def test_two_schedulers_at_once_claim_each_job_once(db: Connection, connect: Connect) -> None:
    jobs = await make_due_jobs(db, 300)
    await make_worker(db, slots=1_000)
    schedulers = [await connect() for _ in range(4)]
    claims = await asyncio.gather(*(claim_due_jobs(conn, lost_after=LOST_AFTER) for conn in schedulers))
    claims.append(await claim_due_jobs(db, lost_after=LOST_AFTER))
    assert sum(map(len, claims)) == 300
    assert Counter(await claimed_jobs(db)) == Counter(jobs)


async def test_a_locked_job_is_left_to_who_holds_it(db: Connection, connect: Connect) -> None:
    """Somebody has one row open for hours: the claim does not wait for him."""
    first, second = await make_due_jobs(db, 2)
    await make_worker(db)
    holder = await connect()
    async with holder.transaction():
        await holder.execute("SELECT FROM etl_jobs WHERE id = $1 FOR NO KEY UPDATE", first)
        await claim_due_jobs(db, lost_after=LOST_AFTER)
        assert await claimed_jobs(db) == [second]


@pytest.mark.parametrize(
    "condition",
    [
        "active = false",
        "held = true",
        "integration_id = NULL",
        "not_before = now() + interval '1 h'",
        "status = 'RUNNING'",
        "last_run_started_at = now() - interval '59 min'",
    ],
)
async def test_what_is_not_due_is_not_claimed(db: Connection, condition: str) -> None:
    await make_job(db)
    await make_worker(db)
    await db.execute(f"UPDATE etl_jobs SET {condition}")
    assert await claim_due_jobs(db, lost_after=LOST_AFTER) == []


async def test_the_next_due_is_told_in_seconds(db: Connection) -> None:
    assert await _dispatch.seconds_to_next_due(db) is None
    await make_job(db, "overdue")
    assert await _dispatch.seconds_to_next_due(db) is None  # only what is still to come
    for name, minutes in (("soon", 50), ("later", 20)):
        job_id = await make_job(db, name)
        await db.execute(
            "UPDATE etl_jobs SET last_run_started_at = now() - make_interval(mins => $2) WHERE id = $1",
            job_id,
            minutes,
        )
    seconds = await _dispatch.seconds_to_next_due(db)
    assert 0 < seconds <= 600


async def test_a_worker_takes_a_persons_run_first_then_who_waits_longest(db: Connection) -> None:
    jobs = await make_due_jobs(db, 3)
    worker_id = await make_worker(db, slots=10)
    await claim_due_jobs(db, lost_after=LOST_AFTER)
    await db.execute("UPDATE job_runs SET ready_at = now() - interval '1 h' WHERE job_id = $1", jobs[2])
    asked_for = await make_job(db, "asked for")
    await run_now(db, asked_for, PERSON)
    taken = [await claim_run(db, worker_id) for _ in range(5)]
    assert [run.job_id if run else None for run in taken] == [asked_for, jobs[2], jobs[0], jobs[1], None]


async def test_a_claimed_run_is_the_workers(db: Connection) -> None:
    worker_id = await make_worker(db)
    job_id = await make_job(db, config={"records": 5})
    run = await start_run(db, job_id, worker_id, options={"full": True})
    row = await one(db, "SELECT * FROM job_runs")
    assert (row["state"], row["worker_id"], row["lease"]) == ("RUNNING", worker_id, run.lease)
    assert row["started_at"] is not None
    assert (run.job_id, run.job_name, run.tenant, run.integration) == (job_id, "orders", "acme", "made-up")
    assert (run.integration_type, run.config, run.options) == ("synthetic", {"records": 5}, {"full": True})


async def test_a_parked_run_waits_for_its_time(db: Connection) -> None:
    worker_id = await make_worker(db)
    await run_now(db, await make_job(db), PERSON)
    await db.execute("UPDATE job_runs SET ready_at = now() + interval '1 h', wait_reason = 'limit'")
    assert await claim_run(db, worker_id) is None
    await db.execute("UPDATE job_runs SET ready_at = now()")
    assert await claim_run(db, worker_id) is not None
    assert await db.fetchval("SELECT wait_reason FROM job_runs") is None


async def test_workers_at_once_take_each_run_once(db: Connection, connect: Connect) -> None:
    await make_due_jobs(db, 40)
    worker_id = await make_worker(db, slots=100)
    await claim_due_jobs(db, lost_after=LOST_AFTER)
    conns = [await connect() for _ in range(4)]

    async def take_all(conn: Connection) -> list[int]:
        taken = []
        while run := await claim_run(conn, worker_id):
            taken.append(run.id)
        return taken

    taken = await asyncio.gather(*map(take_all, conns))
    assert Counter(id_ for ids in taken for id_ in ids) == Counter(
        row["id"] for row in await db.fetch("SELECT id FROM job_runs")
    )


@pytest.mark.parametrize("gone", ["lost", "stopped"])
async def test_a_worker_that_is_gone_takes_nothing(db: Connection, gone: str) -> None:
    """It may not know yet that it was taken for lost; a run that it took would count a second loss."""
    worker_id = await make_worker(db)
    await run_now(db, await make_job(db), PERSON)
    await db.execute(f"UPDATE workers SET {gone}_at = now()")
    assert await claim_run(db, worker_id) is None
    assert await db.fetchval("SELECT state FROM job_runs") == "QUEUED"
