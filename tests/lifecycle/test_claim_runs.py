"""Several runs in one claim: the same ones in the same order as one by one; limits bind all the same."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from etl_core.control.interventions import cancel
from etl_core.control.jobs import run_now
from etl_core.control.pauses import limit
from etl_core.control.places import Place
from etl_core.control.processes import drain_worker
from etl_core.lifecycle.claim import claim_due_jobs, claim_run, claim_runs
from etl_core.store.database import Connection
from tests.lifecycle.conftest import Connect
from tests.support.jobs import PERSON, eventually, make_job, make_worker, waits_for_a_lock

LOST_AFTER = 10.0


async def queue(db: Connection, count: int, *, integration: str = "a") -> list[int]:
    """So many jobs with a queued run each, the first waiting longest; a worker must be alive."""
    jobs = [await make_job(db, f"{integration} {n}", integration=integration) for n in range(count)]
    await claim_due_jobs(db, lost_after=LOST_AFTER)
    for number, job_id in enumerate(jobs):
        await db.execute(
            "UPDATE job_runs SET ready_at = now() - interval '1 h' + $2 * interval '1 s' WHERE job_id = $1",
            job_id,
            number,
        )
    return jobs


async def test_the_best_up_to_so_many_in_their_order(db: Connection) -> None:
    worker_id = await make_worker(db, slots=10)
    jobs = await queue(db, 4)
    asked_for = await make_job(db, "asked for")
    await run_now(db, asked_for, PERSON)
    taken = await claim_runs(db, worker_id, 3)
    assert [run.job_id for run in taken] == [asked_for, jobs[0], jobs[1]]
    assert {(run.worker_id, run.lease) for run in taken} == {(worker_id, 1)}
    assert [run.job_id for run in await claim_runs(db, worker_id, 10)] == jobs[2:]
    assert await claim_runs(db, worker_id, 10) == []
    assert await db.fetchval("SELECT bool_and(state = 'RUNNING' AND started_at IS NOT NULL) FROM job_runs")


async def test_none_for_no_slot_and_none_for_who_is_to_drain(db: Connection) -> None:
    worker_id = await make_worker(db)
    await queue(db, 2)
    assert await claim_runs(db, worker_id, 0) == []
    await drain_worker(db, worker_id, PERSON)
    assert await claim_runs(db, worker_id, 2) == []
    assert await db.fetchval("SELECT count(*) FROM job_runs WHERE state = 'QUEUED'") == 2


async def test_limits_bind_within_one_claim(db: Connection) -> None:
    """Four of the best five are of a place with room for one: the next best fill the rest."""
    worker_id = await make_worker(db, slots=20)
    narrow = await queue(db, 4, integration="narrow")
    wide = await queue(db, 3, integration="wide")
    await limit(db, Place("acme", "narrow"), 1, PERSON)
    taken = await claim_runs(db, worker_id, 4)
    assert {run.job_id for run in taken} == {narrow[0], *wide}
    assert await claim_runs(db, worker_id, 4) == []
    await cancel(db, narrow[0], PERSON)
    assert [run.job_id for run in await claim_runs(db, worker_id, 4)] == [narrow[1]]


@pytest.mark.parametrize("place", [Place(), Place("acme"), Place("acme", "a")], ids=str)
async def test_claims_of_several_at_once_do_not_pass_a_limit(
    db: Connection, connect: Connect, place: Place
) -> None:
    """The second waits for the locks of the first, and then finds one room left."""
    worker_id = await make_worker(db, slots=20)
    await queue(db, 6)
    await limit(db, place, 3, PERSON)
    first, second = await connect(), await connect()
    transaction = first.transaction()
    await transaction.start()
    assert len(await claim_runs(first, worker_id, 2)) == 2
    claiming = asyncio.create_task(claim_runs(second, worker_id, 4))
    await eventually(lambda: waits_for_a_lock(db, second.get_server_pid()))
    await transaction.commit()
    assert len(await claiming) == 1
    assert await db.fetchval("SELECT count(*) FROM job_runs WHERE state = 'RUNNING'") == 3


async def test_many_at_once_take_each_run_once(db: Connection, connect: Connect) -> None:
    worker_id = await make_worker(db, slots=100)
    await queue(db, 30, integration="free")
    await queue(db, 10, integration="limited")
    await limit(db, Place("acme", "limited"), 5, PERSON)
    conns = [await connect() for _ in range(4)]

    async def take_all(conn: Connection) -> list[int]:
        taken: list[int] = []
        while runs := await claim_runs(conn, worker_id, 4):
            taken += [run.id for run in runs]
        return taken

    ids = Counter(id_ for taken in await asyncio.gather(*map(take_all, conns)) for id_ in taken)
    assert set(ids.values()) == {1}
    running = await db.fetch(
        "SELECT i.name, count(*) FROM job_runs AS r INNER JOIN etl_jobs AS j ON r.job_id = j.id"
        " INNER JOIN integrations AS i ON j.integration_id = i.id WHERE r.state = 'RUNNING'"
        " GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in running] == [("free", 30), ("limited", 5)]
    assert await claim_run(db, worker_id) is None
