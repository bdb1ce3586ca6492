"""What a dashboard is given: every change once, late commits and deletions when it compares, progress."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from etl_core.control import jobs
from etl_core.control.feed import JobFeed
from etl_core.models.job import JobRow
from etl_core.store import database
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.support.jobs import PERSON, load_batch, make_job, make_worker, start_run, store_batch

_progress = load("progress")


@pytest.fixture
async def screen(database_url: str) -> AsyncIterator[Connection]:
    """The connection of a dashboard."""
    connection = await database.connect(database_url, application_name="tests screen")
    yield connection
    await connection.close()


async def age(db: Connection) -> None:
    """All that happened so far is out of the reach of the overlap."""
    await db.execute("ALTER TABLE etl_jobs DISABLE TRIGGER USER")
    await db.execute("UPDATE etl_jobs SET last_updated_at = last_updated_at - interval '1 h'")
    await db.execute("ALTER TABLE etl_jobs ENABLE TRIGGER USER")


async def test_everything_then_each_change_once(db: Connection, screen: Connection) -> None:
    second, first = await make_job(db, "b"), await make_job(db, "a")
    feed = JobFeed(screen)
    assert [row.id for row in (await feed.read_changes()).changed] == [first, second]
    assert (await feed.read_changes()).changed == []
    await jobs.set_active(db, second, False, PERSON)
    changes = await feed.read_changes()
    assert [(row.id, row.active) for row in changes.changed] == [(second, False)]
    assert changes.removed == []
    assert (await feed.read_changes()).changed == []  # though the overlap reads it again
    assert (await feed.reconcile()).changed == []


async def test_the_first_are_those_of_all(db: Connection, screen: Connection) -> None:
    for name in ("c", "B", "a"):
        await make_job(db, name)
    feed = JobFeed(screen)
    first, every = await feed.read_first(2), await feed.read_all()
    for one, other in zip(first, every[:2], strict=True):
        assert {name: getattr(one, name) for name in JobRow.model_fields} == dict(other)
    assert [row.job_name for row in await JobFeed(screen, "acme").read_first(2)] == ["a", "B"]
    assert await JobFeed(screen, "nobody").read_first(2) == []


async def test_a_new_job_appears(db: Connection, screen: Connection) -> None:
    feed = JobFeed(screen)
    assert await feed.read_all() == []
    job_id = await make_job(db)
    assert [row.id for row in (await feed.read_changes()).changed] == [job_id]


async def test_a_transaction_that_commits_late_is_within_the_overlap(
    db: Connection, screen: Connection
) -> None:
    """It changed the row before the last look, and committed after it."""
    job_id = await make_job(db)
    feed = JobFeed(screen)
    await feed.read_all()
    late = db.transaction()
    await late.start()
    await db.execute("UPDATE etl_jobs SET retry_count = 7")
    assert (await feed.read_changes()).changed == []
    await late.commit()
    assert [(row.id, row.retry_count) for row in (await feed.read_changes()).changed] == [(job_id, 7)]


async def test_what_comes_later_than_the_overlap_is_found_by_comparing(
    db: Connection, screen: Connection
) -> None:
    job_id = await make_job(db)
    feed = JobFeed(screen)
    await feed.read_all()
    await db.execute("UPDATE etl_jobs SET retry_count = 7")
    await age(db)
    assert (await feed.read_changes()).changed == []
    assert [(row.id, row.retry_count) for row in (await feed.reconcile()).changed] == [(job_id, 7)]
    assert (await feed.reconcile()).changed == []


async def test_a_deleted_job_is_found_by_comparing(db: Connection, screen: Connection) -> None:
    kept, gone = await make_job(db, "kept"), await make_job(db, "gone")
    feed = JobFeed(screen)
    await feed.read_all()
    await db.execute("DELETE FROM etl_jobs WHERE id = $1", gone)
    changes = await feed.reconcile()
    assert (changes.changed, changes.removed) == ([], [gone])
    assert (await feed.reconcile()).removed == []
    assert [row.id for row in await feed.read_all()] == [kept]


async def test_a_running_jobs_progress_moves_without_its_row(db: Connection, screen: Connection) -> None:
    job_id, worker_id = await make_job(db), await make_worker(db)
    run = await start_run(db, job_id, worker_id)
    await make_job(db, "at rest")
    await age(db)
    feed = JobFeed(screen)
    await feed.read_all()
    await load_batch(db, run, await store_batch(db, run, worker_id, rows=40))
    await _progress.write_counters(db, run_id=run.id, rows_expected=100)
    (row,) = (await feed.read_changes()).changed
    assert (row.id, row.run_state, row.rows_new, row.rows_expected) == (job_id, "RUNNING", 40, 100)
    assert (await feed.read_changes()).changed == []  # nothing moved, nothing is given


async def test_a_row_shows_its_newest_run(db: Connection, screen: Connection) -> None:
    job_id = await make_job(db)
    await db.execute(
        "INSERT INTO job_runs (job_id, tenant_id, trigger, state, finished_at)"
        " SELECT id, tenant_id, 'schedule', 'FAILED', now() FROM etl_jobs"
    )
    run = await jobs.run_now(db, job_id, PERSON)
    (row,) = await JobFeed(screen).read_all()
    assert (row.run_id, row.run_state, row.run_trigger) == (run.id, "QUEUED", "manual")


async def test_one_tenants_screen(db: Connection, screen: Connection) -> None:
    mine, theirs = await make_job(db), await make_job(db, tenant="globex")
    feed = JobFeed(screen, "acme")
    assert [row.id for row in await feed.read_all()] == [mine]
    await db.execute("UPDATE etl_jobs SET retry_count = 7")
    assert [row.id for row in (await feed.read_changes()).changed] == [mine]
    await db.execute("DELETE FROM etl_jobs WHERE id = $1", theirs)
    assert (await feed.reconcile()).removed == []


async def test_health_counts_who_is_alive(db: Connection, screen: Connection) -> None:
    for silent_for in (0, 5, 60):
        await make_worker(db, silent_for=silent_for)
    await db.execute("INSERT INTO schedulers (host, pid, version) VALUES ('box', 1, '0'), ('box', 2, '0')")
    await db.execute("UPDATE schedulers SET stopped_at = now() WHERE pid = 2")
    health = await JobFeed(screen).read_health()
    assert (health.workers_alive, health.schedulers_alive) == (2, 1)
    assert health.now.tzinfo is not None
