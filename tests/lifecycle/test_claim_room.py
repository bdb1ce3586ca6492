"""What a claim leaves alone: no more than limits leave room for, nothing paused, blacked out, or limited."""

from __future__ import annotations

from collections import Counter

import pytest

from etl_core.control.jobs import run_now
from etl_core.control.pauses import limit, pause
from etl_core.control.places import Place
from etl_core.control.processes import drain_worker
from etl_core.lifecycle.claim import claim_due_jobs, claim_run
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, make_integration, make_job, make_worker

LOST_AFTER = 10.0


async def make_due(db: Connection, count: int, *, tenant: str = "acme", integration: str = "a") -> None:
    """So many due jobs of an integration, the later ones due for longer."""
    integration_id = await make_integration(db, integration, tenant=tenant)
    await db.execute(
        "INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes, integration_id,"
        " tenant_id, created_at, last_run_started_at)"
        " SELECT name || n, 60, 15, id, tenant_id, now() - interval '30 days',"
        " now() - interval '10 days' - n * interval '1 s'"
        " FROM integrations CROSS JOIN generate_series(1, $1::int) AS n WHERE id = $2",
        count,
        integration_id,
    )


async def claimed(db: Connection) -> Counter[str]:
    """Open runs by place, after a claim."""
    await claim_due_jobs(db, lost_after=LOST_AFTER)
    rows = await db.fetch(
        "SELECT t.name || '/' || i.name AS place FROM job_runs AS r"
        " INNER JOIN etl_jobs AS j ON r.job_id = j.id INNER JOIN integrations AS i ON j.integration_id = i.id"
        " INNER JOIN tenants AS t ON r.tenant_id = t.id WHERE r.state IN ('QUEUED', 'RUNNING')"
    )
    return Counter(row["place"] for row in rows)


async def test_no_more_than_a_limit_leaves_room_for(db: Connection) -> None:
    await make_due(db, 50, integration="a")
    await make_due(db, 50, integration="b")
    await make_due(db, 50, tenant="other")
    await make_worker(db, slots=100)
    await limit(db, Place("acme", "a"), 1, PERSON)
    await limit(db, Place("other"), 3, PERSON)
    for _ in range(3):  # and no more the next time
        assert await claimed(db) == {"acme/a": 1, "acme/b": 50, "other/a": 3}


async def test_a_limit_on_all_does_not_pile_up_runs(db: Connection) -> None:
    """Queued runs are taken in the order of their queueing: too many of them undo fairness and priority."""
    await make_due(db, 50)
    worker_id = await make_worker(db, slots=20)
    await limit(db, Place(), 2, PERSON)
    for _ in range(3):
        assert (await claimed(db)).total() == 2
    assert await claim_run(db, worker_id) is not None
    assert await claim_run(db, worker_id) is not None
    assert (await claimed(db)).total() == 2
    await db.execute(
        "UPDATE job_runs SET state = 'SUCCEEDED', finished_at = now()"
        " WHERE id = (SELECT min(id) FROM job_runs)"
    )
    assert (await claimed(db)).total() == 2


async def test_a_limit_of_one_does_not_cost_the_others_their_turn(db: Connection) -> None:
    """An integration with thousands due and a limit of 1, all longer due than those of its neighbours."""
    await make_due(db, 3_000, integration="narrow")
    await make_due(db, 3, integration="wide")
    await make_due(db, 3, tenant="other")
    await limit(db, Place("acme", "narrow"), 1, PERSON)
    await make_worker(db, slots=4)
    assert await claimed(db) == {"acme/narrow": 1, "acme/wide": 3, "other/a": 3}


async def test_tenants_take_turns_within_their_limits(db: Connection) -> None:
    for number, tenant in enumerate(("one", "two", "three")):
        await make_due(db, 100 * (number + 1), tenant=tenant)
    await limit(db, Place("two"), 1, PERSON)
    await make_worker(db, slots=6)
    assert await claimed(db) == {"one/a": 5, "two/a": 1, "three/a": 6}  # three's are due for longest


@pytest.mark.parametrize("how", ["paused", "parked", "limited by its source", "window"])
async def test_what_cannot_start_takes_no_room(db: Connection, how: str) -> None:
    """Queued runs that wait for something else than a slot: the others of their tenant go on without them."""
    await make_due(db, 4, integration="stuck")
    await make_due(db, 4, integration="free")
    await limit(db, Place("acme"), 2, PERSON)
    await make_worker(db, slots=10)
    await pause(db, Place("acme", "free"), PERSON, reason="so that the others are queued")
    assert await claimed(db) == {"acme/stuck": 2}
    await db.execute("DELETE FROM pauses")
    if how == "paused":
        await pause(db, Place("acme", "stuck"), PERSON, reason="migration")
    elif how == "parked":
        await db.execute("UPDATE job_runs SET ready_at = now() + interval '1 h'")
        await pause(db, Place("acme", "stuck"), PERSON, reason="keeps the rest of them away")
    elif how == "window":
        await blackout(db, "integration_id", "stuck")
    else:
        await db.execute("UPDATE integrations SET ready_at = now() + interval '1 h' WHERE name = 'stuck'")
    assert await claimed(db) == {"acme/stuck": 2, "acme/free": 2}
    assert await claimed(db) == {"acme/stuck": 2, "acme/free": 2}


async def test_a_parked_run_leaves_its_integrations_slot_to_others(db: Connection) -> None:
    """`job_runs.ready_at` parks one run, not its credential."""
    await make_due(db, 3)
    await limit(db, Place("acme", "a"), 1, PERSON)
    await make_worker(db)
    assert (await claimed(db)).total() == 1
    await db.execute("UPDATE job_runs SET ready_at = now() + interval '1 h', wait_reason = 'repository busy'")
    assert (await claimed(db)).total() == 2


async def blackout(db: Connection, column: str, name: str) -> None:
    """A window that holds now: of the tenant, the integration or the job of this name."""
    table, of = {
        "tenant_id": ("tenants", "name"),
        "integration_id": ("integrations", "name"),
        "job_id": ("etl_jobs", "job_name"),
    }[column]
    own = "" if column == "tenant_id" else f", {column}"
    await db.execute(
        f"INSERT INTO blackout_windows (weekdays, starts, ends, time_zone, created_by, tenant_id{own})"
        f" SELECT '{{1,2,3,4,5,6,7}}', '00:00', '00:00', 'UTC', 'tess',"
        f" {'id' if column == 'tenant_id' else 'tenant_id, id'} FROM {table} WHERE {of} = $1",
        name,
    )


@pytest.mark.parametrize(
    ("column", "name", "left"),
    [
        ("tenant_id", "acme", {"other/a": 2}),
        ("integration_id", "b", {"acme/a": 2, "other/a": 2}),
        ("job_id", "b2", {"acme/a": 2, "acme/b": 1, "other/a": 2}),
    ],
)
async def test_a_window_keeps_its_own_away(
    db: Connection, column: str, name: str, left: dict[str, int]
) -> None:
    await make_due(db, 2, integration="a")
    await make_due(db, 2, integration="b")
    await make_due(db, 2, tenant="other")
    await make_worker(db, slots=10)
    await blackout(db, column, name)
    assert await claimed(db) == left
    assert await db.fetchval("SELECT count(*) FROM etl_jobs WHERE status = 'READY'") == 6 - sum(left.values())


@pytest.mark.parametrize(
    ("place", "left"),
    [
        (Place(), {}),
        (Place("acme"), {"other/a": 2}),
        (Place("acme", "b"), {"acme/a": 2, "other/a": 2}),
    ],
    ids=str,
)
async def test_a_pause_keeps_its_own_away(db: Connection, place: Place, left: dict[str, int]) -> None:
    await make_due(db, 2, integration="a")
    await make_due(db, 2, integration="b")
    await make_due(db, 2, tenant="other")
    await make_worker(db, slots=10)
    await pause(db, place, PERSON, reason="migration")
    assert await claimed(db) == left


async def test_an_integration_whose_source_limits_its_rate(db: Connection) -> None:
    await make_due(db, 2, integration="a")
    await make_due(db, 2, integration="b")
    await make_worker(db, slots=10)
    await db.execute("UPDATE integrations SET ready_at = now() + interval '1 h' WHERE name = 'a'")
    assert await claimed(db) == {"acme/b": 2}


async def test_a_persons_run_counts_against_the_room(db: Connection) -> None:
    asked_for = await make_job(db, integration="a")
    await make_due(db, 3)
    await limit(db, Place("acme", "a"), 1, PERSON)
    await make_worker(db)
    await run_now(db, asked_for, PERSON)
    assert await claimed(db) == {"acme/a": 1}


async def test_a_draining_worker_costs_the_others_no_slots(db: Connection) -> None:
    """What it still runs is not to be counted against those that work."""
    await make_due(db, 4, integration="first")
    leaving = await make_worker(db, slots=4)
    assert (await claimed(db)).total() == 4
    for _ in range(4):
        assert await claim_run(db, leaving) is not None
    await drain_worker(db, leaving, PERSON)
    await make_due(db, 8, integration="second")
    assert await claimed(db) == {"acme/first": 4}  # no worker left
    await make_worker(db, slots=2)
    assert await claimed(db) == {"acme/first": 4, "acme/second": 4}
