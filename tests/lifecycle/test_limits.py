"""Limits on runs at once: of an integration, a tenant, all. Never passed, by however many claims at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from etl_core.control.pauses import limit, pause, resume
from etl_core.control.places import Place
from etl_core.lifecycle.claim import ClaimedRun, claim_run
from etl_core.store import database
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.support.jobs import PERSON, eventually, make_integration, make_worker, one, waits_for_a_lock
from tests.support.postgres import migrated_template, temporary_database

_dispatch = load("dispatch")
_pauses = load("pauses")

Open = Callable[[], Awaitable[Connection]]

WORKERS = 8
CLAIMS = 25
"""By each; up to twelve times as many until the limits were reached."""


@pytest.fixture
async def open_connection(admin_url: str) -> AsyncIterator[Open]:
    """Opens connections to a migrated database."""
    async with temporary_database(admin_url, template=await migrated_template(admin_url)) as url:
        opened: list[Connection] = []

        async def connect() -> Connection:
            connection = await database.connect(url, application_name="tests")
            opened.append(connection)
            return connection

        yield connect
        for connection in opened:
            connection.terminate()


async def queue_runs(
    db: Connection, count: int, *, tenant: str = "acme", integration: str = "made-up"
) -> None:
    """So many jobs of an integration, each with a QUEUED run."""
    integration_id = await make_integration(db, integration, tenant=tenant)
    await db.execute(
        "WITH made AS (INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes,"
        " integration_id, tenant_id, status, last_run_started_at)"
        " SELECT name || n, 60, 15, id, tenant_id, 'RUNNING', now()"
        " FROM integrations CROSS JOIN generate_series(1, $1::int) AS n WHERE id = $2"
        " RETURNING id, tenant_id)"
        " INSERT INTO job_runs (job_id, tenant_id, trigger) SELECT id, tenant_id, 'schedule' FROM made",
        count,
        integration_id,
    )


RUNNING = """
SELECT t.name || '/' || i.name AS integration, t.name AS tenant, count(*) AS running
FROM job_runs AS r
INNER JOIN etl_jobs AS j ON r.job_id = j.id
INNER JOIN integrations AS i ON j.integration_id = i.id
INNER JOIN tenants AS t ON r.tenant_id = t.id
WHERE r.state = 'RUNNING'
GROUP BY i.name, t.name
"""


def binds_another(limits: dict[str, int]) -> bool:
    """Whether one of them may keep another from being reached."""
    return "all" in limits


async def busy_worker(
    conn: Connection, worker_id: int, limits: dict[str, int], seed: int, peaks: dict[str, int]
) -> None:
    """Claims, looks what runs at that moment, holds the run for a little while, gives it back."""
    dice = random.Random(seed)
    for number in range(12 * CLAIMS):
        if number >= CLAIMS and (peaks == limits or binds_another(limits)):
            return
        run = await claim_run(conn, worker_id)
        if run is None:
            await asyncio.sleep(0.001)
            continue
        found = await conn.fetch(RUNNING)
        counts = {row["integration"]: row["running"] for row in found}
        for row in found:
            counts[row["tenant"]] = counts.get(row["tenant"], 0) + row["running"]
        counts["all"] = sum(row["running"] for row in found)
        for place, most in limits.items():
            assert counts.get(place, 0) <= most, f"seed {seed}: {counts}"
            peaks[place] = max(peaks.get(place, 0), counts.get(place, 0))
        await asyncio.sleep(dice.random() * 0.004)
        await conn.execute(
            "UPDATE job_runs SET state = 'QUEUED', worker_id = NULL, ready_at = now() WHERE id = $1", run.id
        )


@pytest.mark.parametrize(
    "limits",
    [
        {"acme/a": 1},
        {"acme/a": 2, "acme/b": 3},
        {"acme/a": 1, "acme/b": 3, "acme": 3, "other/a": 2, "all": 4},
    ],
    ids=repr,
)
async def test_claims_at_once_never_pass_a_limit(open_connection: Open, limits: dict[str, int]) -> None:
    db = await open_connection()
    for tenant, integration in (("acme", "a"), ("acme", "b"), ("other", "a")):
        await queue_runs(db, 6, tenant=tenant, integration=integration)
    for place, most in limits.items():
        parts = [] if place == "all" else place.split("/")
        await limit(db, Place(*parts), most, PERSON)
    worker_id = await make_worker(db, slots=100)
    conns = [await open_connection() for _ in range(WORKERS)]
    peaks: dict[str, int] = {}
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    await asyncio.gather(
        *(busy_worker(conn, worker_id, limits, seed + n, peaks) for n, conn in enumerate(conns))
    )
    # And it was not by chance: the limit was reached, unless a tighter one binds first.
    assert peaks == limits or binds_another(limits)


async def without_the_locks(conn: Connection, worker_id: int) -> bool:
    """The obvious way: look whether there is room, take it."""
    (best,) = await take(conn, worker_id, None)
    assert best["is_limited"]
    return len(await take(conn, worker_id, best["picked_id"])) == 1


async def take(conn: Connection, worker_id: int, run_id: int | None) -> list[asyncpg.Record]:
    """The statement by itself."""
    return [row async for row in _dispatch.take_runs(conn, worker_id=worker_id, at_most=1, run_id=run_id)]


@pytest.mark.parametrize("place", ["all", "acme", "acme/made-up"])
async def test_two_claims_at_once_both_pass_a_count_without_the_locks(
    open_connection: Open, place: str
) -> None:
    """What the locks are for (m): each looks before the other commits. Under them the second waits."""
    db, first, second = [await open_connection() for _ in range(3)]
    await queue_runs(db, 3)
    await limit(db, Place(*([] if place == "all" else place.split("/"))), 1, PERSON)
    worker_id = await make_worker(db)
    transaction = first.transaction()
    await transaction.start()
    assert await without_the_locks(first, worker_id)
    async with second.transaction():
        assert await without_the_locks(second, worker_id)
    await transaction.commit()
    assert await db.fetchval("SELECT count(*) FROM job_runs WHERE state = 'RUNNING'") == 2

    await db.execute("UPDATE job_runs SET state = 'QUEUED', worker_id = NULL")
    transaction = first.transaction()
    await transaction.start()
    assert await claim_run(first, worker_id) is not None
    claiming = asyncio.create_task(claim_run(second, worker_id))
    await eventually(lambda: waits_for_a_lock(db, second.get_server_pid()))
    await transaction.commit()
    assert await claiming is None
    assert await db.fetchval("SELECT count(*) FROM job_runs WHERE state = 'RUNNING'") == 1


async def test_who_finds_one_limit_reached_takes_what_others_leave(open_connection: Open) -> None:
    """The best run's limit was reached while its lock was waited for: the next best is taken."""
    db, first, second = [await open_connection() for _ in range(3)]
    await queue_runs(db, 2, integration="a")
    await queue_runs(db, 1, integration="b")
    await limit(db, Place("acme", "a"), 1, PERSON)
    worker_id = await make_worker(db)
    transaction = first.transaction()
    await transaction.start()
    taken = await claim_run(first, worker_id)
    claiming = asyncio.create_task(claim_run(second, worker_id))
    await eventually(lambda: waits_for_a_lock(db, second.get_server_pid()))
    await transaction.commit()
    other = await claiming
    assert taken is not None
    assert other is not None
    assert (taken.integration, other.integration) == ("a", "b")


async def test_without_a_limit_claims_do_not_wait_for_each_other(open_connection: Open) -> None:
    db, first, second = [await open_connection() for _ in range(3)]
    await queue_runs(db, 2, integration="a")
    await make_integration(db, "b")
    await limit(db, Place("acme", "b"), 1, PERSON)
    worker_id = await make_worker(db)
    transaction = first.transaction()
    await transaction.start()
    assert await claim_run(first, worker_id) is not None
    async with asyncio.timeout(60):
        assert await claim_run(second, worker_id) is not None
    await transaction.commit()


async def claim_all(db: Connection, worker_id: int) -> list[ClaimedRun]:
    """What a worker with many slots gets."""
    taken = []
    while run := await claim_run(db, worker_id):
        taken.append(run)
    return taken


async def test_a_limit_that_is_lowered_or_raised_holds_for_the_next_claim(open_connection: Open) -> None:
    db = await open_connection()
    await queue_runs(db, 6)
    worker_id = await make_worker(db, slots=100)
    place = Place("acme", "made-up")
    await limit(db, place, 2, PERSON)
    assert len(await claim_all(db, worker_id)) == 2
    await limit(db, place, 1, PERSON)  # what runs goes on, nothing new starts
    assert await claim_all(db, worker_id) == []
    await limit(db, place, 4, PERSON)
    assert len(await claim_all(db, worker_id)) == 2
    await limit(db, place, None, PERSON)
    assert len(await claim_all(db, worker_id)) == 2


async def test_a_person_does_not_pass_a_limit_either(open_connection: Open) -> None:
    db = await open_connection()
    await queue_runs(db, 2)
    await db.execute("UPDATE job_runs SET trigger = 'manual'")
    await limit(db, Place("acme"), 1, PERSON)
    worker_id = await make_worker(db)
    assert len(await claim_all(db, worker_id)) == 1


async def test_a_rate_limit_holds_the_other_runs_of_the_integration(open_connection: Open) -> None:
    """Met by one run, it parks the credential: not each run in turn."""
    db = await open_connection()
    await queue_runs(db, 4, integration="limited")
    await queue_runs(db, 1, integration="free")
    worker_id = await make_worker(db, slots=100)
    met = await claim_run(db, worker_id)
    assert met is not None
    assert met.integration == "limited"
    until = await db.fetchval("SELECT now() + interval '1 h'")
    await _pauses.park_integration(db, job_id=met.job_id, until=until, reason="GitHub limit")
    assert [run.integration for run in await claim_all(db, worker_id)] == ["free"]
    # A shorter wait that another run met does not end the longer one.
    sooner = await db.fetchval("SELECT now() + interval '1 s'")
    await _pauses.park_integration(db, job_id=met.job_id, until=sooner, reason="GitHub limit")
    assert await db.fetchval("SELECT ready_at FROM integrations WHERE name = 'limited'") == until
    await db.execute("UPDATE integrations SET ready_at = now()")
    assert len(await claim_all(db, worker_id)) == 3


@pytest.mark.parametrize("place", [Place(), Place("acme"), Place("acme", "made-up")], ids=str)
async def test_what_was_queued_before_a_pause_waits(open_connection: Open, place: Place) -> None:
    db = await open_connection()
    await queue_runs(db, 2)
    await db.execute("UPDATE job_runs SET trigger = 'manual' WHERE id = (SELECT min(id) FROM job_runs)")
    worker_id = await make_worker(db)
    await pause(db, place, PERSON, reason="migration")
    assert await claim_all(db, worker_id) == []
    await resume(db, place, PERSON)
    assert len(await claim_all(db, worker_id)) == 2


async def test_a_window_keeps_the_schedule_but_no_person(open_connection: Open) -> None:
    db = await open_connection()
    await queue_runs(db, 2)
    asked_for = await one(
        db, "UPDATE job_runs SET trigger = 'manual' WHERE id = (SELECT max(id) FROM job_runs) RETURNING id"
    )
    await db.execute(
        "INSERT INTO blackout_windows (tenant_id, weekdays, starts, ends, time_zone, created_by)"
        " SELECT tenant_id, '{1,2,3,4,5,6,7}', '00:00', '00:00', 'UTC', 'tess' FROM integrations"
    )
    worker_id = await make_worker(db)
    assert [run.id for run in await claim_all(db, worker_id)] == [asked_for["id"]]
