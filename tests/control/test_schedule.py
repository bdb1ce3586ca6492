"""The schedule to come as it is read from a real database."""

from __future__ import annotations

from datetime import UTC, time, timedelta

import pytest

from etl_core.control.pauses import limit, pause
from etl_core.control.places import Place
from etl_core.control.schedule import read_schedule
from etl_core.control.windows import add_window
from etl_core.errors import InvalidInput
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, make_job


async def test_limits_pauses_and_windows_are_followed(db: Connection) -> None:
    first = await make_job(db, "first", schedule=60)
    second = await make_job(db, "second", schedule=60)
    await make_job(db, "still", tenant="globex", integration="other")
    await limit(db, Place("acme", "made-up"), 1, PERSON)
    await pause(db, Place("globex"), PERSON, reason="migration")
    await db.execute(
        "INSERT INTO job_runs (job_id, tenant_id, trigger, state, started_at, finished_at)"
        " SELECT id, tenant_id, 'schedule', 'SUCCEEDED', now() - interval '12 min', now() FROM etl_jobs"
        " WHERE id = ANY($1)",
        [first, second],
    )
    schedule = await read_schedule(db, hours=6, buckets=36)
    assert [(start.job, start.starts) for start in schedule.coming] == [
        ("acme/first", 6),
        ("acme/second", 6),
    ]
    assert sum(bucket.starts for bucket in schedule.density) == schedule.total == 12
    wait = schedule.waits[0]
    assert (wait.job, wait.waits_for, wait.minutes) == ("acme/second", "acme/first", 12.0)
    assert [(bar.place, bar.kind, bar.jobs_paused) for bar in schedule.bars] == [("globex", "paused", 1)]

    now = (await db.fetchval("SELECT now()")).astimezone(UTC)
    until = now + timedelta(hours=2)
    await add_window(
        db,
        place=Place("acme"),
        job_id=None,
        weekdays=[1, 2, 3, 4, 5, 6, 7],
        starts=(now - timedelta(hours=1)).time().replace(second=0, microsecond=0),
        ends=time(until.hour, until.minute),
        time_zone="UTC",
        reason="quiet",
        actor=PERSON,
    )
    later = await read_schedule(db, tenant="acme", hours=6)
    ends = until.replace(second=0, microsecond=0)
    assert {(start.at, start.delayed_by) for start in later.coming} == {(ends, "blackout of acme")}
    with pytest.raises(InvalidInput):
        await read_schedule(db, hours=0)
