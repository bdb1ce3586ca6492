"""What a person can do to a job: the state it needs, the conflict that says why not, its event."""

from __future__ import annotations

import asyncio
import os
import pwd
from typing import Any

import asyncpg
import pytest

from etl_core.broker.channels import SCHEDULER
from etl_core.control import jobs
from etl_core.control.audit import Actor
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.lifecycle.claim import claim_due_jobs, claim_run
from etl_core.lifecycle.settle import settle_run
from etl_core.models.job import JobSettingsRequest
from etl_core.store import database
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.support.jobs import PERSON, make_integration, make_job, make_worker, one, start_run

_leases = load("leases")

SET = "UPDATE etl_jobs SET status = $1, error_message = 'old', error_kind = 'transient', retry_count = 2"


async def events(db: Connection) -> list[tuple[str, str, int | None, Any]]:
    rows = await db.fetch("SELECT action, actor, job_id, detail FROM job_events ORDER BY id")
    return [(row["action"], row["actor"], row["job_id"], row["detail"]) for row in rows]


@pytest.mark.parametrize("status", ["READY", "FINISHED", "FAILED"])
async def test_run_now_starts_a_job_at_rest(db: Connection, status: str) -> None:
    job_id = await make_job(db)
    await db.execute(SET, status)
    run = await jobs.run_now(db, job_id, PERSON, options={"full": True})
    assert (run.job_id, run.state, run.trigger, run.requested_by) == (job_id, "QUEUED", "manual", "tess")
    job = await one(db, "SELECT * FROM etl_jobs")
    assert (job["status"], job["error_message"], job["error_kind"]) == ("RUNNING", None, None)
    assert job["retry_count"] == 2  # failures in a row end with a success, not with a try
    (told,) = [event for event in await events(db) if event[0] != "failed"]
    assert told[:3] == ("run_now", "tess", job_id)
    assert (told[3]["options"], told[3]["before"]["status"]) == ({"full": True}, status)
    assert await db.fetchval("SELECT run_id FROM job_events WHERE action = 'run_now'") == run.id


async def test_a_full_refresh_of_a_stream_that_there_is_not_is_refused(db: Connection) -> None:
    job_id = await make_job(db)
    await db.execute(
        "INSERT INTO job_checkpoints (job_id, stream, partition, bookmark) VALUES ($1, 'orders', 'all', '1')",
        job_id,
    )
    with pytest.raises(InvalidInput, match="acme/orders has read no stream 'order' yet; it has orders"):
        await jobs.run_now(db, job_id, PERSON, options={"full_refresh": ["orders", "order"]})
    assert (await jobs.run_now(db, job_id, PERSON, options={"full_refresh": ["orders"]})).state == "QUEUED"


async def test_run_now_on_a_running_job_names_the_run_and_its_start(db: Connection) -> None:
    job_id = await make_job(db)
    run = await jobs.run_now(db, job_id, PERSON)
    queued = f"acme/orders is already running: run {run.id}, queued {run.queued_at:%H:%M:%S} UTC"
    with pytest.raises(Conflict) as refused:
        await jobs.run_now(db, job_id, PERSON)
    assert str(refused.value) == queued

    await claim_run(db, await make_worker(db))
    await db.execute("UPDATE job_runs SET started_at = '2026-05-01 09:08:07+00'")
    with pytest.raises(Conflict) as refused:
        await jobs.run_now(db, job_id, PERSON)
    assert str(refused.value) == f"acme/orders is already running: run {run.id}, started 09:08:07 UTC"
    assert len(await events(db)) == 1  # what was refused did not happen


async def test_two_people_at_once_start_one_run(db: Connection, database_url: str) -> None:
    job_id = await make_job(db)
    conns = [await database.connect(database_url, application_name="tests") for _ in range(4)]
    try:
        told = await asyncio.gather(
            *(jobs.run_now(conn, job_id, PERSON) for conn in conns), return_exceptions=True
        )
    finally:
        for conn in conns:
            await conn.close()
    assert sum(isinstance(answer, Conflict) for answer in told) == 3
    assert await db.fetchval("SELECT count(*) FROM job_runs") == 1


async def test_run_now_wakes_the_scheduler(db: Connection, database_url: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(database_url)
    try:
        await listener.add_listener(SCHEDULER, lambda *args: heard.put_nowait(str(args[3])))
        run = await jobs.run_now(db, await make_job(db), PERSON)
        async with asyncio.timeout(60):
            assert await heard.get() == str(run.id)
    finally:
        await listener.close()


async def test_run_now_without_an_integration(db: Connection) -> None:
    job_id = await make_job(db)
    await db.execute("UPDATE etl_jobs SET integration_id = NULL")
    with pytest.raises(Conflict, match="acme/orders has no integration: `etl-tui jobs settings acme/orders"):
        await jobs.run_now(db, job_id, PERSON)


async def test_no_such_job(db: Connection) -> None:
    for attempt in (
        jobs.run_now(db, 4711, PERSON),
        jobs.show_job(db, 4711),
        jobs.set_active(db, 4711, False, PERSON),
        jobs.change_settings(db, 4711, jobs.settings_request(60, 15), PERSON),
        jobs.assign_integration(db, 4711, "made-up", PERSON),
    ):
        with pytest.raises(NotFound, match="no job with id 4711"):
            await attempt


async def test_an_inactive_job_runs_once_and_stays_off(db: Connection) -> None:
    job_id = await make_job(db)
    await jobs.set_active(db, job_id, False, PERSON, reason="moving house")
    worker_id = await make_worker(db)
    run = await start_run(db, job_id, worker_id)
    await _leases.end_extract(db, run_id=run.id)
    await settle_run(db, run.id, actor="test")
    job = await jobs.show_job(db, job_id)
    assert (job.status, job.active, job.due_at) == ("FINISHED", False, None)
    assert (job.off_by, job.off_reason) == ("tess", "moving house")
    assert await claim_due_jobs(db, lost_after=10) == []


async def test_off_cancels_a_run_that_never_started(db: Connection) -> None:
    job_id = await make_job(db)
    await make_worker(db)
    await claim_due_jobs(db, lost_after=10)
    row = await jobs.set_active(db, job_id, False, PERSON)
    assert (row.active, row.status, row.due_at, row.run_state) == (False, "READY", None, "CANCELLED")
    run = await one(db, "SELECT * FROM job_runs")
    assert (run["cancel_requested_by"], run["finished_at"] is None) == ("tess", False)
    assert [action for action, *_ in await events(db)] == ["disable", "cancel"]
    # On again: next time as planned, not at once.
    assert (await jobs.set_active(db, job_id, True, PERSON)).active
    assert await claim_due_jobs(db, lost_after=10) == []
    assert await db.fetchval("SELECT due_at - last_run_started_at = interval '60 min' FROM etl_jobs")


async def test_off_lets_a_started_run_end(db: Connection) -> None:
    job_id = await make_job(db)
    run = await start_run(db, job_id, await make_worker(db))
    row = await jobs.set_active(db, job_id, False, PERSON)
    assert (row.active, row.status, row.run_state) == (False, "RUNNING", "RUNNING")
    assert (
        await _leases.lock_leased_run(db, run_id=run.id, lease=run.lease, worker_id=run.worker_id) == run.id
    )
    # Also one that has given way and waits for another worker.
    await _leases.release_run(db, run_id=run.id, ready_at=None, wait_reason=None, losses=0)
    row = await jobs.set_active(db, job_id, False, PERSON)
    assert (row.status, row.run_state) == ("RUNNING", "QUEUED")


async def test_off_and_on_are_told_once(db: Connection) -> None:
    job_id = await make_job(db)
    for active in (True, False, False, True, True):
        await jobs.set_active(db, job_id, active, PERSON, reason="why")
    off, on = await events(db)
    assert (off[:3], on[:3]) == (("disable", "tess", job_id), ("enable", "tess", job_id))
    assert on[3] == {
        "reason": "why",
        "before": {"active": False, "off_by": "tess", "off_reason": "why"},
        "after": {"active": True},
    }
    job = await jobs.show_job(db, job_id)
    assert (job.off_by, job.off_reason) == (None, None)


@pytest.mark.parametrize(
    ("schedule", "retry", "words"),
    [
        (60, 60, "Retry (1 hour) must be shorter than the schedule (1 hour)."),
        (30, 60, "must be shorter"),
        (1, 1, "must be shorter"),
        (0, 1, "schedule_interval_minutes"),
        (60, 0, "retry_interval_minutes"),
        (5_256_001, 15, "schedule_interval_minutes"),
        (-5, -10, "schedule_interval_minutes"),
        (2**31 - 1, 15, "schedule_interval_minutes"),
    ],
)
async def test_intervals_that_cannot_be_are_refused_at_every_door(
    db: Connection, schedule: int, retry: int, words: str
) -> None:
    with pytest.raises(ValueError, match=r"interval|shorter"):
        JobSettingsRequest(schedule_interval_minutes=schedule, retry_interval_minutes=retry)
    with pytest.raises(InvalidInput) as refused:
        jobs.settings_request(schedule, retry)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    # And by the database, whoever writes there.
    await make_job(db)
    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute(
            "UPDATE etl_jobs SET schedule_interval_minutes = $1, retry_interval_minutes = $2", schedule, retry
        )


async def test_settings_change_both_intervals_and_what_is_due(db: Connection) -> None:
    job_id = await make_job(db)
    await db.execute("UPDATE etl_jobs SET last_run_started_at = now()")
    told = await jobs.change_settings(db, job_id, jobs.settings_request(180, 20), PERSON)
    assert (told.success, told.job_id) == (True, job_id)
    assert told.message == "acme/orders runs every 3 hours, retry after 20 minutes"
    job = await jobs.show_job(db, job_id)
    assert (job.schedule_interval_minutes, job.retry_interval_minutes) == (180, 20)
    assert await db.fetchval("SELECT due_at - last_run_started_at = interval '3 h' FROM etl_jobs")
    assert await events(db) == [("settings", "tess", job_id, {"before": [60, 15], "after": [180, 20]})]


async def test_settings_are_refused_when_somebody_was_faster(db: Connection) -> None:
    job_id = await make_job(db)
    seen = (await jobs.show_job(db, job_id)).row_version
    await jobs.change_settings(db, job_id, jobs.settings_request(180, 20), PERSON, expected_version=seen)
    with pytest.raises(Conflict, match="was changed meanwhile: now every 3 hours, retry after 20 minutes"):
        await jobs.change_settings(db, job_id, jobs.settings_request(90, 10), PERSON, expected_version=seen)
    assert (await jobs.show_job(db, job_id)).schedule_interval_minutes == 180
    assert len(await events(db)) == 1


async def test_an_integration_of_ones_own_tenant(db: Connection) -> None:
    job_id = await make_job(db)
    theirs = await make_integration(db, "theirs", tenant="globex")
    mine = await make_integration(db, "second")
    with pytest.raises(NotFound, match="acme has no integration 'theirs'"):
        await jobs.assign_integration(db, job_id, "theirs", PERSON)
    with pytest.raises(asyncpg.ForeignKeyViolationError):  # nor past control
        await db.execute("UPDATE etl_jobs SET integration_id = $1", theirs)
    job = await jobs.assign_integration(db, job_id, "second", PERSON)
    assert (job.integration_id, job.integration) == (mine, "second")
    assert [action for action, *_ in await events(db)] == ["assign_integration"]
    await jobs.run_now(db, job_id, PERSON)
    with pytest.raises(Conflict, match="acme/orders is running"):
        await jobs.assign_integration(db, job_id, "made-up", PERSON)


async def test_add_job(db: Connection) -> None:
    await make_integration(db)

    async def add(name: str, **changes: Any) -> Any:
        given: dict[str, Any] = {"tenant": "acme", "integration": "made-up"} | changes
        return await jobs.add_job(
            db, job_name=name, schedule_minutes=60, retry_minutes=15, actor=PERSON, **given
        )

    row = await add("orders")
    assert (row.active, row.status, row.tenant, row.integration) == (True, "READY", "acme", "made-up")
    assert row.due_at is not None
    assert await events(db) == [("add_job", "tess", row.id, {"integration": "made-up", "after": [60, 15]})]
    with pytest.raises(Conflict, match="acme already has a job 'orders'"):
        await add("orders")
    with pytest.raises(NotFound, match="no tenant 'nobody'"):
        await add("other", tenant="nobody")
    with pytest.raises(NotFound, match="acme has no integration 'nothing'"):
        await add("other", integration="nothing")
    for name in ("", "  ", "a/b", "two\nlines", "x" * 201):
        with pytest.raises(InvalidInput):
            await add(name)
    assert await db.fetchval("SELECT count(*) FROM etl_jobs") == 1


async def test_find_job(db: Connection) -> None:
    first, second = await make_job(db), await make_job(db, tenant="globex")
    assert await jobs.find_job(db, str(first)) == first
    assert await jobs.find_job(db, "globex/orders") == second
    assert await jobs.find_job(db, "orders", tenant="globex") == second
    with pytest.raises(InvalidInput, match=r"names 2 jobs: acme/orders, globex/orders"):
        await jobs.find_job(db, "orders")
    for reference in ("4711", "99999999999999999999", "²", "acme/nothing", "nothing", ""):
        with pytest.raises(NotFound):
            await jobs.find_job(db, reference)


async def test_who_did_it(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person, the account, where SSH came from, and the role that the database saw."""
    for name in ("ETL_ACTOR", "USER", "LOGNAME"):
        monkeypatch.setenv(name, "somebody")  # nobody acts as somebody else
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 5000 192.0.2.1 22")
    await jobs.run_now(db, await make_job(db), Actor.current())
    event = await one(db, "SELECT *, current_user::text AS me FROM job_events")
    me = pwd.getpwuid(os.getuid()).pw_name
    assert (event["actor"], event["os_user"], event["ssh_origin"]) == (me, me, "192.0.2.7")
    assert event["db_role"] == event["me"]
    assert event["tenant_id"] is not None
