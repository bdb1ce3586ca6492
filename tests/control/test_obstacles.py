"""What keeps a due job from starting, as a screen is given it: without its row, and once per place."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from etl_core.control import pauses, windows
from etl_core.control.feed import JobFeed
from etl_core.control.jobs import read_job, run_now
from etl_core.control.places import Place
from etl_core.store.database import Connection
from tests.control.test_feed import age
from tests.support.jobs import PERSON, make_job, make_worker, start_run, store_batch

ACME = Place("acme")
MADE_UP = Place("acme", "made-up")


async def add_window(db: Connection, *, job_id: int | None = None, hours: float = 2) -> None:
    """One that holds now, of a job or of all acme, for so many hours more."""
    hours_of_day = await db.fetchrow(
        "SELECT (now() AT TIME ZONE 'UTC' - interval '1 h')::time,"
        " (now() AT TIME ZONE 'UTC' + make_interval(secs => $1))::time",
        hours * 3600,
    )
    assert hours_of_day is not None
    starts, ends = hours_of_day
    await windows.add_window(
        db,
        place=ACME,
        job_id=job_id,
        weekdays=[1, 2, 3, 4, 5, 6, 7],
        starts=starts,
        ends=ends,
        time_zone="UTC",
        reason=None,
        actor=PERSON,
    )


async def asked_for_claims(db: Connection, job_id: int, *, by_person: bool) -> dict[str, Any] | None:
    found: dict[str, Any] | None = await db.fetchval("SELECT dispatch_obstacle($1, $2)", job_id, by_person)
    return found


async def test_a_pause_that_begins_and_ends_reaches_a_screen_without_the_row(db: Connection) -> None:
    late, not_due = await make_job(db, "late"), await make_job(db, "b")
    await db.execute("UPDATE etl_jobs SET not_before = now() + interval '1 h' WHERE id = $1", not_due)
    feed = JobFeed(db)
    await feed.read_all()
    await age(db)
    await feed.reconcile()
    await pauses.pause(db, MADE_UP, PERSON, reason="migration")
    assert (await feed.read_changes()).changed == []
    (changed,) = (await feed.reconcile()).changed
    assert (changed.id, changed.obstacle_kind, changed.obstacle) == (
        late, "paused", "paused by tess: migration",
    )  # fmt: skip
    assert (await feed.reconcile()).changed == []
    await pauses.resume(db, MADE_UP, PERSON)
    (changed,) = (await feed.reconcile()).changed
    assert (changed.id, changed.obstacle_kind, changed.obstacle_until) == (late, None, None)


async def test_a_queued_runs_obstacle_comes_with_the_next_look(db: Connection) -> None:
    job_id = await make_job(db)
    await run_now(db, job_id, PERSON)
    feed = JobFeed(db)
    await feed.read_all()
    await pauses.pause(db, Place(), PERSON, reason="disk")
    assert [row.obstacle for row in (await feed.read_changes()).changed] == ["paused by tess: disk"]


@pytest.mark.parametrize("place", [Place(), ACME, MADE_UP])
async def test_claims_and_screens_are_told_the_same(db: Connection, place: Place) -> None:
    busy, waiting = await make_job(db, "busy"), await make_job(db, "waiting")
    await start_run(db, busy, await make_worker(db))
    await pauses.limit(db, place, 1, PERSON)
    row = await read_job(db, waiting)
    assert row.obstacle_kind == "busy"
    assert row.obstacle is not None
    assert row.obstacle.startswith("busy: ")
    assert await asked_for_claims(db, waiting, by_person=False) == {"kind": "busy", "detail": row.obstacle}
    assert (await read_job(db, busy)).obstacle is None


async def test_a_limit_of_the_source_names_its_reason_and_end(db: Connection) -> None:
    job_id = await make_job(db)
    await db.execute("UPDATE integrations SET ready_at = now() + interval '1 h', wait_reason = 'limit'")
    row = await read_job(db, job_id)
    assert (row.obstacle_kind, row.obstacle) == ("limited", "limit")
    assert row.obstacle_until == await db.fetchval("SELECT ready_at FROM integrations")


async def test_a_jobs_own_window_and_that_of_its_place(db: Connection) -> None:
    own, other = await make_job(db, "own"), await make_job(db, "other")
    await add_window(db, job_id=own)
    assert (await read_job(db, own)).obstacle_kind == "blackout"
    assert (await read_job(db, other)).obstacle_kind is None
    until = (await read_job(db, own)).obstacle_until
    await add_window(db, hours=1)
    assert (await read_job(db, other)).obstacle_kind == "blackout"
    assert (await read_job(db, own)).obstacle_until == until  # the later of the two
    await pauses.pause(db, ACME, PERSON, reason="migration")
    assert (await read_job(db, own)).obstacle_kind == "paused"


async def test_a_person_is_not_held_up_by_a_blackout_but_by_what_is_behind_it(db: Connection) -> None:
    busy, job_id = await make_job(db, "busy"), await make_job(db, "own")
    await add_window(db)
    await add_window(db, job_id=job_id)
    await run_now(db, job_id, PERSON)
    assert (await read_job(db, job_id)).obstacle_kind is None
    assert await asked_for_claims(db, job_id, by_person=True) is None
    await db.execute("UPDATE job_runs SET ready_at = now() + interval '1 h'")
    await start_run(db, busy, await make_worker(db))
    await db.execute("UPDATE job_runs SET ready_at = now()")
    await pauses.limit(db, MADE_UP, 1, PERSON)
    assert (await read_job(db, job_id)).obstacle_kind == "busy"


async def test_a_window_over_midnight_is_of_the_day_it_starts(db: Connection) -> None:
    await make_job(db)
    row = await windows.add_window(
        db,
        place=MADE_UP,
        job_id=None,
        weekdays=[5],
        starts=time(22),
        ends=time(6),
        time_zone="Europe/Berlin",
        reason=None,
        actor=PERSON,
    )

    async def end(at: str) -> str | None:
        found: str | None = await db.fetchval(
            "SELECT to_char(window_end(w, $1::text::timestamptz) AT TIME ZONE 'UTC', 'MM-DD HH24:MI')"
            " FROM blackout_windows AS w WHERE id = $2",
            at,
            row.id,
        )
        return found

    # A Friday in winter (UTC+1), the Saturday on which the clocks go forward, and other days.
    assert await end("2026-01-09 22:00 Europe/Berlin") == "01-10 05:00"
    assert await end("2026-01-10 05:59 Europe/Berlin") == "01-10 05:00"
    assert await end("2026-01-10 06:00 Europe/Berlin") is None
    assert await end("2026-01-09 21:59 Europe/Berlin") is None
    assert await end("2026-01-10 22:30 Europe/Berlin") is None
    assert await end("2026-07-10 23:00 Europe/Berlin") == "07-11 04:00"


async def test_health_tells_what_is_paused_as_a_whole_and_who_was_seen_last(db: Connection) -> None:
    await make_job(db)
    feed = JobFeed(db)
    empty = await feed.read_health()
    assert (empty.worker_last_seen, empty.scheduler_last_seen, empty.slots) == (None, None, 0)
    worker = await make_worker(db, slots=3)
    await make_worker(db, slots=2, silent_for=3600)
    await db.execute("INSERT INTO schedulers (host, pid, version, stopped_at) VALUES ('a', 1, '0', now())")
    for place in (MADE_UP, ACME, Place()):
        await pauses.pause(db, place, PERSON, reason=str(place))
    health = await feed.read_health()
    assert (health.workers_alive, health.slots, health.schedulers_alive) == (1, 3, 0)
    assert health.worker_last_seen == await db.fetchval("SELECT max(heartbeat_at) FROM workers")
    assert health.scheduler_last_seen == await db.fetchval("SELECT stopped_at FROM schedulers")
    assert [(pause.tenant, pause.reason) for pause in health.pauses] == [(None, "all"), ("acme", "acme")]
    await db.execute("UPDATE workers SET draining_by = 'ana' WHERE id = $1", worker)
    drained = await feed.read_health()
    assert (drained.workers_alive, drained.workers_draining, drained.slots) == (1, 1, 0)
    assert drained.stages_missing == ()


async def test_a_stage_that_nobody_alive_serves(db: Connection) -> None:
    feed = JobFeed(db)
    worker = await make_worker(db)
    run = await start_run(db, await make_job(db), worker)
    await store_batch(db, run, worker)
    await db.execute("UPDATE run_batches SET state = 'WAITING', worker_id = NULL")
    assert (await feed.read_health()).stages_missing == ()
    await db.execute("UPDATE workers SET stages = '{load,vectorize}'")
    health = await feed.read_health()
    assert (health.stages_missing, health.workers_alive, health.slots) == (("extract", "transform"), 1, 0)
