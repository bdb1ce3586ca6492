"""Processes whose clocks are wrong by hours, or are set while they run: nothing depends on them."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from etl_core.control.jobs import run_now
from etl_core.store.database import Connection
from tests.e2e.running import Processes, processes, until_ended
from tests.support import skewed_clock
from tests.support.forked import Running
from tests.support.jobs import PERSON, eventually, make_job, one

HOURS = timedelta(hours=3)
AHEAD, BEHIND = "10800", "-10800"

TIMES = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
    AND table_name IN (SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE')
"""


def start(fleet: Processes, module: str, clock: str) -> Running:
    """A process with a clock of its own."""
    path = os.pathsep.join([*skewed_clock.__path__, os.environ.get("PYTHONPATH", "")])
    fleet._environment |= {"PYTHONPATH": path, "SKEWED_CLOCK": clock}
    return fleet.scheduler() if module == "scheduler" else fleet.worker()


def times_told(log: Path) -> list[datetime]:
    """What a process took for the time, line by line of its log."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    return [datetime.fromisoformat(json.loads(line)["timestamp"]) for line in lines]


async def make_jobs(db: Connection) -> dict[str, int]:
    """One that falls due in a moment, one in half an hour; one that meets a limit, one that fails."""
    made = {
        "soon": await make_job(db, "soon", config={"records": 20, "page_size": 10}),
        "later": await make_job(db, "later"),
        "limited": await make_job(
            db,
            "limited",
            integration="limited",
            config={"records": 5, "fail_at": 2, "fail_kind": "rate_limited", "rate_limit_s": 600},
        ),
        "fails": await make_job(
            db, "fails", integration="fails", config={"records": 5, "fail_at": 2, "fail_kind": "permanent"}
        ),
    }
    started = "UPDATE etl_jobs SET last_run_started_at = now() - make_interval(secs => $2) WHERE id = $1"
    await db.execute(started, made["soon"], 3600 - 6)
    await db.execute(started, made["later"], 1800)
    return made


async def expect_no_foreign_time(db: Connection, since: datetime) -> None:
    """No time in any table lies where only a wrong clock could have put it."""
    for table, column in await db.fetch(TIMES):
        wrong = await db.fetch(
            f'SELECT "{column}" FROM "{table}" WHERE "{column}" > now() + interval \'2 hours\''
            f" OR \"{column}\" BETWEEN $1::timestamptz - interval '4 hours' AND $1 - interval '2 hours'",
            since,
        )
        assert not wrong, (table, column, wrong)


@pytest.mark.parametrize(
    ("scheduler_clock", "worker_clock"),
    [(AHEAD, BEHIND), (BEHIND, AHEAD), (f"0@3,{BEHIND}", f"0@3,{AHEAD}")],
    ids=["scheduler ahead, worker behind", "scheduler behind, worker ahead", "set while they run"],
)
async def test_wrong_clocks_change_nothing(
    db: Connection, database_url: str, tmp_path: Path, scheduler_clock: str, worker_clock: str
) -> None:
    with processes(database_url, None, tmp_path, anew=True) as fleet:
        jobs = await make_jobs(db)
        since = await db.fetchval("SELECT clock_timestamp()")
        planned = await db.fetchval("SELECT due_at FROM etl_jobs WHERE id = $1", jobs["soon"])
        start(fleet, "scheduler", scheduler_clock)
        worker = start(fleet, "workers", worker_clock)

        # Due jobs run, when they are due.
        run = await until_ended(db, jobs["soon"])
        assert (run["state"], run["trigger"]) == ("SUCCEEDED", "schedule")
        assert planned <= run["queued_at"] <= run["started_at"] <= run["finished_at"]
        failed = await until_ended(db, jobs["fails"])
        parked = (
            "SELECT count(*) = 1 FROM job_runs WHERE job_id = $1 AND state = 'QUEUED' AND wait_reason <> ''"
        )
        await eventually(lambda: db.fetchval(parked, jobs["limited"]), "a parked run")

        # Leases hold, duties go on: both are heard for longer than a lease, after their clocks were set, too.
        for table in ("workers", "schedulers"):
            heard = f"SELECT bool_and(heartbeat_at - started_at > interval '6 s') FROM {table}"
            await eventually(lambda heard=heard: db.fetchval(heard), f"heartbeats of {table}")  # type: ignore[misc]
        asked_for = await run_now(db, jobs["soon"], PERSON)
        again = await until_ended(db, jobs["soon"], runs=2)
        assert (again["id"], again["state"]) == (asked_for.id, "SUCCEEDED")
        assert await db.fetchval("SELECT count(*) FROM workers") == 1
        assert await db.fetchval("SELECT count(*) FROM workers WHERE lost_at IS NOT NULL") == 0
        assert await db.fetchval("SELECT sum(losses) FROM job_runs") == 0

        # What waits, waits as long as it should by the database's clock.
        assert await db.fetchval("SELECT count(*) FROM job_runs WHERE job_id = $1", jobs["later"]) == 0
        waits = await one(db, "SELECT * FROM job_runs WHERE job_id = $1", jobs["limited"])
        limit = timedelta(minutes=10)
        assert since + limit <= waits["ready_at"] <= await db.fetchval("SELECT clock_timestamp()") + limit
        again_at = await one(
            db, "SELECT due_at, last_run_started_at FROM etl_jobs WHERE id = $1", jobs["fails"]
        )
        assert again_at["due_at"] - again_at["last_run_started_at"] == timedelta(hours=1)
        assert failed["queued_at"] == again_at["last_run_started_at"]
        await expect_no_foreign_time(db, since)

        # A worker that is really gone is found.
        worker.kill()
        gone = "SELECT count(*) = 1 FROM workers WHERE lost_at > heartbeat_at"
        await eventually(lambda: db.fetchval(gone), "a lost worker")

    # And the clocks were wrong.
    for log, clock in (("0-scheduler.log", scheduler_clock), ("1-workers.log", worker_clock)):
        ahead = max((told - since for told in times_told(tmp_path / log)), key=abs)
        assert abs(ahead) > HOURS / 2, log
        assert (ahead > timedelta()) == (not clock.endswith(BEHIND))
