"""The scheduler's duties, one turn each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from etl_core.broker.postgres import PostgresBroker
from etl_core.broker.protocol import Stage
from etl_core.control.jobs import run_now
from etl_core.lifecycle.claim import MOST_CLAIMS
from etl_core.store import database
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from scheduler.duties import sweep as sweep_module
from scheduler.duties.claim import Claim
from scheduler.duties.heartbeat import Heartbeat
from scheduler.duties.rest import Rest
from scheduler.duties.sweep import Sweep
from tests.support.jobs import PERSON, eventually, fall_silent, make_job, make_worker, one, start_run

_leases = load("leases")
_processes = load("processes")

LOST_AFTER = 10.0


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with database.open_pool(database_url, application_name="etl-scheduler") as opened:
        yield opened


@pytest.fixture
async def broker(database_url: str) -> AsyncIterator[PostgresBroker]:
    made = PostgresBroker(database_url)
    yield made
    await made.close()


@pytest.fixture
def out_of_reach() -> PostgresBroker:
    """A transport that is down."""
    return PostgresBroker("postgresql://postgres@127.0.0.1:1/none")


class Clock:
    """The sweep's own clock, in a test's hands."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sweep_module, "time", made)
    return made


async def test_claim_queues_and_rings(db: Connection, pool: Pool, broker: PostgresBroker) -> None:
    job_id = await make_job(db)
    await make_worker(db)
    async with broker.subscribe([Stage.EXTRACT]) as bell:
        assert await bell.wait(60)  # it rings once when it is connected
        (run_id,) = await Claim(pool, broker, lost_after=LOST_AFTER).run_once()
        assert await bell.wait(60)
    assert tuple(await one(db, "SELECT id, job_id, state FROM job_runs")) == (run_id, job_id, "QUEUED")


async def test_a_person_s_run_is_rung_for_when_control_says_so(
    db: Connection, pool: Pool, broker: PostgresBroker
) -> None:
    await run_now(db, await make_job(db), PERSON)
    await make_worker(db)
    claim = Claim(pool, broker, lost_after=LOST_AFTER)
    async with broker.subscribe([Stage.EXTRACT]) as bell:
        assert await bell.wait(60)
        assert await claim.run_once() == []  # at an interval: rung for when it was made
        assert await claim.run_once(woken=True) == []
        assert await bell.wait(60)
        assert not await bell.wait(0.1)


async def test_a_claim_stands_when_nobody_can_be_rung(
    db: Connection, pool: Pool, out_of_reach: PostgresBroker
) -> None:
    await make_job(db)
    await make_worker(db)
    assert len(await Claim(pool, out_of_reach, lost_after=LOST_AFTER).run_once()) == 1
    assert await db.fetchval("SELECT state FROM job_runs") == "QUEUED"


class RecordingBroker:
    """Notes the rings and lets the test say when they are answered."""

    transport = "amqp"

    def __init__(self) -> None:
        self.rings: list[int] = []
        self.under_way = 0
        self.most_under_way = 0
        self.answer = asyncio.Event()

    async def ring(self, stage: Stage, times: int = 1) -> None:
        assert stage is Stage.EXTRACT
        self.rings.append(times)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.answer.wait()
        self.under_way -= 1


async def make_due_lots(db: Connection, count: int) -> None:
    """So many due jobs of one integration."""
    await make_job(db)
    await db.execute(
        "INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes, integration_id,"
        " tenant_id, created_at)"
        " SELECT 'job ' || n, 60, 15, integration_id, tenant_id, created_at"
        " FROM etl_jobs CROSS JOIN generate_series(2, $1::int) AS n WHERE job_name = 'orders'",
        count,
    )


async def test_the_next_lot_is_claimed_while_rings_for_one_are_on_their_way(
    db: Connection, pool: Pool
) -> None:
    """Never those of two lots, and none before its commit: the third lot waits for the first answer."""
    await make_due_lots(db, 2 * MOST_CLAIMS + 10)
    await make_worker(db, slots=10_000)
    await make_worker(db, slots=10_000)
    broker = RecordingBroker()
    claiming = asyncio.create_task(Claim(pool, broker, lost_after=LOST_AFTER).run_once())  # type: ignore[arg-type]
    queued = "SELECT count(*) FROM job_runs"
    await eventually(lambda: db.fetchval(f"{queued} HAVING count(*) = $1", 2 * MOST_CLAIMS), "two lots")
    assert broker.rings == [2]  # one for each worker
    broker.answer.set()
    assert len(await claiming) == 2 * MOST_CLAIMS + 10
    assert broker.rings == [2, 2, 2]
    assert (broker.most_under_way, broker.under_way) == (1, 0)


async def test_a_claim_that_is_cancelled_takes_its_rings_with_it(db: Connection, pool: Pool) -> None:
    await make_due_lots(db, 1)
    await make_worker(db)
    broker = RecordingBroker()
    claiming = asyncio.create_task(Claim(pool, broker, lost_after=LOST_AFTER).run_once())  # type: ignore[arg-type]

    async def rung() -> bool:
        return bool(broker.rings)

    await eventually(rung, "a ring")
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    assert await db.fetchval("SELECT state FROM job_runs") == "QUEUED"


async def test_rings_wake_each_worker_once_and_no_more_than_are_needed(db: Connection) -> None:
    rings = load("dispatch").count_rings
    assert await rings(db, new_runs=5) == 0  # nobody is there
    await make_worker(db, slots=4)
    await make_worker(db, slots=4)
    full = await make_worker(db, slots=1)
    await db.execute("UPDATE workers SET lost_at = now() WHERE id = $1", await make_worker(db))
    await db.execute("UPDATE workers SET stages = '{load}' WHERE id = $1", await make_worker(db))
    assert [await rings(db, new_runs=n) for n in (0, 1, 2, 3, 500)] == [0, 1, 2, 3, 3]
    assert await rings(db, new_runs=None) == 0
    # One that is full may get the ring, and then nobody would take the run: the next in turn gets one too.
    await start_run(db, await make_job(db), full)
    assert [await rings(db, new_runs=n) for n in (0, 1, 2, 500)] == [0, 2, 3, 3]
    await run_now(db, await make_job(db, "asked for"), PERSON)
    assert await rings(db, new_runs=None) == 2


async def test_claim_tells_when_the_next_job_falls_due(
    db: Connection, pool: Pool, broker: PostgresBroker
) -> None:
    claim = Claim(pool, broker, lost_after=LOST_AFTER)
    await claim.run_once()
    assert claim.seconds_to_next_due == float("inf")
    await make_job(db)
    await db.execute("UPDATE etl_jobs SET last_run_started_at = now() - interval '59 min'")
    await claim.run_once()
    assert 0 < claim.seconds_to_next_due <= 60


async def test_a_claim_that_fails_waits_for_its_interval(database_url: str, broker: PostgresBroker) -> None:
    """A job a moment away and the database gone: the scheduler must not try again without a pause."""
    async with database.open_pool(database_url, application_name="etl-scheduler") as pool:
        claim = Claim(pool, broker, lost_after=LOST_AFTER)
        claim.seconds_to_next_due = 0.0
    with pytest.raises(asyncpg.InterfaceError):
        await claim.run_once()
    assert claim.seconds_to_next_due == float("inf")


async def test_heartbeat(db: Connection, pool: Pool) -> None:
    scheduler_id = await _processes.register_scheduler(db, host="box", pid=1, version="0")
    await db.execute("UPDATE schedulers SET heartbeat_at = now() - interval '1 h'")
    await Heartbeat(pool, scheduler_id).run_once()
    assert await db.fetchval("SELECT heartbeat_at > now() - interval '1 min' FROM schedulers")


async def test_rest(db: Connection, pool: Pool) -> None:
    for name, status, ago in (("old", "FINISHED", 61), ("new", "FINISHED", 5), ("failed", "FAILED", 900)):
        job_id = await make_job(db, name)
        await db.execute(
            "UPDATE etl_jobs SET status = $2, last_run_finished_at = now() - make_interval(secs => $3)"
            " WHERE id = $1",
            job_id,
            status,
            ago,
        )
    rest = Rest(pool, rest_seconds=60)
    assert [await rest.run_once(), await rest.run_once()] == [1, 0]
    rows = await db.fetch("SELECT job_name, status FROM etl_jobs")
    assert dict(map(tuple, rows)) == {"old": "READY", "new": "FINISHED", "failed": "FAILED"}


async def test_sweep_waits_one_lease_before_it_takes_anything(
    db: Connection, pool: Pool, broker: PostgresBroker, clock: Clock
) -> None:
    """When the database was away every heartbeat is old: first the workers may say that they live."""
    worker_id = await make_worker(db)
    run = await start_run(db, await make_job(db), worker_id)
    await fall_silent(db, worker_id)
    sweep = Sweep(pool, broker, lost_after=LOST_AFTER)
    assert await sweep.run_once() is None
    clock.now += LOST_AFTER / 2
    assert await sweep.run_once() is None
    clock.now += LOST_AFTER / 2
    takeover = await sweep.run_once()
    assert takeover is not None
    assert takeover.freed_runs == [run.id]


async def test_sweep_waits_again_after_a_gap_of_its_own(
    db: Connection, pool: Pool, broker: PostgresBroker, clock: Clock
) -> None:
    """The scheduler itself was stopped (a laptop's lid, SIGSTOP): so perhaps were they all."""
    sweep = Sweep(pool, broker, lost_after=LOST_AFTER)
    for _ in range(5):
        await sweep.run_once()
        clock.now += LOST_AFTER / 2
    assert await sweep.run_once() is not None
    await fall_silent(db, await make_worker(db))
    clock.now += LOST_AFTER + 1
    assert await sweep.run_once() is None
    clock.now += LOST_AFTER / 2
    assert await sweep.run_once() is None
    clock.now += LOST_AFTER / 2
    takeover = await sweep.run_once()
    assert takeover is not None
    assert len(takeover.lost_workers) == 1


async def test_sweep_waits_again_after_the_database_was_away(
    db: Connection, database_url: str, pool: Pool, broker: PostgresBroker, clock: Clock
) -> None:
    sweep = Sweep(pool, broker, lost_after=LOST_AFTER)
    for _ in range(3):
        await sweep.run_once()
        clock.now += LOST_AFTER / 2
    assert await sweep.run_once() is not None
    await db.execute("ALTER TABLE workers RENAME TO gone")
    with pytest.raises(asyncpg.UndefinedTableError):
        await sweep.run_once()
    await db.execute("ALTER TABLE gone RENAME TO workers")
    clock.now += 1
    assert await sweep.run_once() is None


async def test_sweep_settles_mends_ends_holds_and_rings(
    db: Connection, pool: Pool, broker: PostgresBroker, clock: Clock
) -> None:
    worker_id = await make_worker(db, slots=9)
    forgotten = await start_run(db, await make_job(db, "forgotten"), worker_id)
    await _leases.end_extract(db, run_id=forgotten.id)
    alone = await make_job(db, "alone")
    await db.execute("UPDATE etl_jobs SET status = 'RUNNING' WHERE id = $1", alone)
    for name, until in (
        ("over", "now() - interval '1 s'"),
        ("held", "now() + interval '1 h'"),
        ("for good", "NULL"),
    ):
        job_id = await make_job(db, name)
        await db.execute(f"UPDATE etl_jobs SET held = true, held_until = {until} WHERE id = $1", job_id)
    sweep = Sweep(pool, broker, lost_after=LOST_AFTER)
    await sweep.run_once()  # all this needs no steadiness
    rows = await db.fetch("SELECT job_name, status, held FROM etl_jobs")
    assert {row["job_name"]: (row["status"], row["held"]) for row in rows} == {
        "forgotten": ("FINISHED", False),
        "alone": ("FAILED", False),
        "over": ("READY", False),
        "held": ("READY", True),
        "for good": ("READY", True),
    }

    lost = await make_worker(db)
    await db.execute("UPDATE workers SET stopped_at = now() WHERE id <> $1", lost)
    await start_run(db, await make_job(db, "lost"), lost)
    await fall_silent(db, lost)
    clock.now += LOST_AFTER / 2
    await sweep.run_once()
    clock.now += LOST_AFTER / 2
    async with broker.subscribe([Stage.EXTRACT]) as bell:
        assert await bell.wait(60)
        takeover = await sweep.run_once()
        assert takeover is not None
        assert len(takeover.freed_runs) == 1
        assert await bell.wait(60)


async def test_one_run_that_cannot_be_settled_does_not_stop_the_sweep(
    db: Connection, pool: Pool, broker: PostgresBroker, clock: Clock
) -> None:
    """Written by a newer version, say. The rest is settled, and lost workers are still found."""
    worker_id = await make_worker(db, slots=9)
    broken, good = [await start_run(db, await make_job(db, name), worker_id) for name in ("broken", "good")]
    for run in (broken, good):
        await _leases.end_extract(db, run_id=run.id)
    await db.execute("UPDATE job_runs SET error_kind = 'no such kind' WHERE id = $1", broken.id)
    sweep = Sweep(pool, broker, lost_after=LOST_AFTER)
    for _ in range(2):
        await sweep.run_once()
        clock.now += LOST_AFTER / 2
    assert await db.fetchval("SELECT state FROM job_runs WHERE id = $1", good.id) == "SUCCEEDED"
    await fall_silent(db, worker_id)
    takeover = await sweep.run_once()
    assert takeover is not None
    assert takeover.lost_workers == [worker_id]


async def test_duties_of_two_schedulers_at_once(db: Connection, pool: Pool, broker: PostgresBroker) -> None:
    for n in range(30):
        await make_job(db, f"job {n}")
    await make_worker(db, slots=50)
    claims = [Claim(pool, broker, lost_after=LOST_AFTER) for _ in range(3)]
    queued = await asyncio.gather(*(claim.run_once() for claim in claims))
    queued.append(await claims[0].run_once())
    assert sum(map(len, queued)) == 30
    assert await db.fetchval("SELECT count(DISTINCT job_id) FROM job_runs") == 30
