"""`due_at`: when a job is due, for every combination of states and nulls, against a model in Python.

The model is written from the rules, not from the SQL. Postgres computes the column for many jobs in a round
trip, so that many examples cost little.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_core.errors import ErrorKind
from etl_core.store.database import Connection
from tests.sql.schema import migrated

SPREAD = timedelta(minutes=5)


@dataclass(frozen=True)
class Job:
    """What a job's due time depends on."""

    id: int
    active: bool
    status: str
    held: bool
    has_integration: bool
    error_kind: str | None
    created_at: datetime
    last_run_started_at: datetime | None
    last_run_finished_at: datetime | None
    not_before: datetime | None
    schedule: int
    retry: int


def due(job: Job) -> datetime | None:
    """Who sleeps, when a failed job is tried again, when a new one begins, when the others come."""
    if not job.active or job.held or not job.has_integration or job.status == "RUNNING":
        return None
    if job.status == "FAILED" and job.error_kind != "permanent":
        ended = job.last_run_finished_at or job.last_run_started_at or job.created_at
        planned = ended + timedelta(minutes=job.retry)
    elif job.last_run_started_at is None:
        # A thousand jobs made together do not start together: each waits its own part of five minutes.
        spread = min(timedelta(minutes=job.schedule), SPREAD)
        planned = job.created_at + timedelta(seconds=job.id * 7919 % int(spread.total_seconds()))
    else:
        planned = job.last_run_started_at + timedelta(minutes=job.schedule)
    return max(planned, job.not_before) if job.not_before else planned


COMPUTE = """
WITH given AS (
    INSERT INTO etl_jobs (
        id, active, status, held, integration_id, error_kind, created_at, last_run_started_at,
        last_run_finished_at, not_before, schedule_interval_minutes, retry_interval_minutes, job_name,
        tenant_id
    )
    SELECT
        g.id, g.active, g.status, g.held, CASE WHEN g.has_integration THEN i.id END, g.error_kind,
        g.created_at, g.started, g.finished, g.not_before, g.schedule, g.retry, 'job ' || g.id, i.tenant_id
    FROM unnest(
        $1::int[], $2::bool[], $3::text[], $4::bool[], $5::bool[], $6::text[], $7::timestamptz[],
        $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::int[], $12::int[]
    ) AS g (
        id, active, status, held, has_integration, error_kind, created_at, started, finished, not_before,
        schedule, retry
    )
    CROSS JOIN integrations AS i
    RETURNING id, due_at
)
SELECT * FROM given
"""


async def computed(conn: Connection, jobs: Iterable[Job]) -> dict[int, datetime | None]:
    """What Postgres makes of them; nothing stays."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        columns = list(zip(*(astuple(job) for job in jobs), strict=True))
        return {row["id"]: row["due_at"] for row in await conn.fetch(COMPUTE, *columns)}
    finally:
        await transaction.rollback()


async def prepare(conn: Connection) -> None:
    """One integration, and sessions far from UTC: the column must not depend on the session's zone."""
    await conn.execute(
        "INSERT INTO tenants (name) VALUES ('acme'); DELETE FROM etl_jobs;"
        " INSERT INTO integrations (name, type, tenant_id) SELECT 'i', 'synthetic', id FROM tenants;"
        " SET timezone = 'America/New_York'"
    )


# Around both changes of the clock in New York, and where a month or a year ends.
TIMES = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)) | st.sampled_from(
    [
        datetime(2026, 3, 8, 6, 59, 59, tzinfo=UTC),
        datetime(2026, 3, 8, 7, 0, tzinfo=UTC),
        datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
        datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    schedule = draw(st.sampled_from([2, 3, 5, 6, 60, 1440, 5_256_000]) | st.integers(2, 100_000))
    return Job(
        id=draw(st.integers(1, 2**31 - 1)),
        active=draw(st.booleans()),
        status=draw(st.sampled_from(["READY", "RUNNING", "FINISHED", "FAILED"])),
        held=draw(st.booleans()),
        has_integration=draw(st.booleans()),
        error_kind=draw(st.none() | st.sampled_from([str(kind) for kind in ErrorKind])),
        created_at=draw(TIMES),
        last_run_started_at=draw(st.none() | TIMES),
        last_run_finished_at=draw(st.none() | TIMES),
        not_before=draw(st.none() | TIMES),
        schedule=schedule,
        retry=draw(st.integers(1, schedule - 1)),
    )


def every_combination() -> list[Job]:
    """All flags and states, each time null or not, and a snooze before or after what is planned."""
    moments = [datetime(2026, 5, day, 12, 0, 0, 1, tzinfo=UTC) for day in range(1, 6)]
    snoozes = [None, moments[0] - timedelta(days=30), moments[4] + timedelta(days=30)]
    combinations = itertools.product(
        (True, False),
        ("READY", "RUNNING", "FINISHED", "FAILED"),
        (True, False),
        (True, False),
        (None, "transient", "permanent"),
        (None, moments[1]),
        (None, moments[2]),
        snoozes,
    )
    return [
        Job(number, active, status, held, integration, kind, moments[0], started, finished, snooze, 60, 15)
        for number, (active, status, held, integration, kind, started, finished, snooze) in enumerate(
            combinations, start=1
        )
    ]


async def test_every_combination_of_states_and_nulls(admin_url: str) -> None:
    every = every_combination()
    async with migrated(admin_url) as conn:
        await prepare(conn)
        found = await computed(conn, every)
    wrong = [(job, found[job.id]) for job in every if found[job.id] != due(job)]
    assert not wrong, wrong[0]
    assert len(every) == 2 * 4 * 2 * 2 * 3 * 2 * 2 * 3
    assert sum(value is None for value in found.values()) > len(every) / 2  # some sleep, some do not
    assert any(found.values())


def test_any_job(admin_url: str) -> None:
    """Times, intervals and ids from all over; the changes of the clock in the session's zone among them."""
    batches = st.lists(jobs(), min_size=1, max_size=100, unique_by=lambda job: job.id)
    with asyncio.Runner() as runner:
        database = migrated(admin_url)
        conn = runner.run(database.__aenter__())
        try:
            runner.run(prepare(conn))

            @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
            @given(batches)
            def agree(batch: list[Job]) -> None:
                found = runner.run(computed(conn, batch))
                assert {job.id: due(job) for job in batch} == found

            agree()
        finally:
            runner.run(database.__aexit__(None, None, None))


async def test_new_jobs_do_not_start_together(admin_url: str) -> None:
    """A thousand jobs made in one moment: no minute of the first five gets half more than its share."""
    made = datetime(2026, 5, 1, tzinfo=UTC)
    seeded = [
        Job(number, True, "READY", False, True, None, made, None, None, None, 60, 15)
        for number in range(1, 1001)
    ]
    async with migrated(admin_url) as conn:
        await prepare(conn)
        found = await computed(conn, seeded)
    minutes = [int((when - made).total_seconds() // 60) for when in found.values() if when]
    assert set(minutes) == {0, 1, 2, 3, 4}
    assert max(minutes.count(minute) for minute in range(5)) < 300
