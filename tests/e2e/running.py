"""Real scheduler and worker processes on a real database, and a job over a real file for them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import airportsdata
import asyncpg

from etl_core.control.jobs import run_now
from etl_core.store.database import Connection
from tests.support.forked import Running, nursery
from tests.support.jobs import PERSON, eventually, make_job, one

AIRPORTS = Path(airportsdata.__file__).with_name("airports.csv")
AIRPORTS_TABLE = "acme_files.airports"
TABLE = "acme_made_up.records"
RECORDS = 600
"""Of `make_batches_job`."""

QUICK = {
    "ETL_CLAIM_INTERVAL": "0.5",
    "ETL_HEARTBEAT_INTERVAL": "0.4",
    "ETL_LEASE_TIMEOUT": "3",
    "ETL_STOP_TIMEOUT": "5",
}
"""Settings with which a lost worker is found in seconds, and a slow machine does not lose one by chance."""


class Processes:
    """Starts processes; all are gone at the end.

    They are forked (`tests.support.nursery`), unless `anew`: then each is a `python -m`.
    """

    def __init__(self, database_url: str, amqp_url: str | None, logs: Path, *, anew: bool) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
        self._environment = inherited | QUICK | {"ETL_DATABASE_URL": database_url}
        if amqp_url:
            self._environment["ETL_AMQP_URL"] = amqp_url
        self._logs = logs
        self._anew = anew
        self.started: list[Running] = []

    def scheduler(self) -> Running:
        return self._start("scheduler")

    def worker(self) -> Running:
        return self._start("workers", "--concurrency", "2")

    def end(self) -> None:
        for process in self.started:
            process.kill()  # also one that is stopped
            process.wait()
            if isinstance(process, subprocess.Popen) and process.stdin:
                process.stdin.close()

    def _start(self, module: str, *arguments: str) -> Running:
        log = self._logs / f"{len(self.started)}-{module}.log"
        arguments = (*arguments, "--with-parent")
        started: Running
        if self._anew:
            with log.open("wb") as opened:
                started = subprocess.Popen(
                    [sys.executable, "-m", module, *arguments],
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=opened,
                    stderr=opened,
                )
        else:
            started = nursery().start(module, arguments, self._environment, log)
        self.started.append(started)
        return started


@contextmanager
def processes(
    database_url: str, amqp_url: str | None, logs: Path, *, anew: bool = False
) -> Iterator[Processes]:
    made = Processes(database_url, amqp_url, logs, anew=anew)
    try:
        yield made
    finally:
        made.end()


async def make_airports_job(db: Connection) -> int:
    """A due job over a CSV of 28,000 rows, six batches."""
    config = {"path": str(AIRPORTS), "stream": "airports", "key": ["icao"]}
    return await make_job(db, "airports", integration="files", kind="files", config=config)


async def make_batches_job(db: Connection) -> int:
    """A due job of six small batches."""
    return await make_job(db, "batches", config={"records": RECORDS, "page_size": RECORDS // 6})


async def until_ended(db: Connection, job_id: int, *, runs: int = 1) -> asyncpg.Record:
    """The job's newest run, once so many have ended."""
    ended = "SELECT count(*) >= $2 FROM job_runs WHERE job_id = $1 AND finished_at IS NOT NULL"
    await eventually(lambda: db.fetchval(ended, job_id, runs), f"{runs} ended runs of job {job_id}")
    return await one(db, "SELECT * FROM job_runs WHERE job_id = $1 ORDER BY id DESC LIMIT 1", job_id)


async def begin_again_slowly(db: Connection, job_id: int, table: str = TABLE) -> int:
    """Starts the job from nothing on a destination that takes its time; returns when two batches are in.

    What is killed or stopped now is in mid-run, whatever the machine's speed.
    """
    await until_ended(db, job_id)
    await db.execute(f"TRUNCATE {table}")
    await db.execute("UPDATE etl_jobs SET checkpoint_data = NULL WHERE id = $1", job_id)
    await db.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$;"
        f" CREATE TRIGGER dawdle AFTER INSERT ON {table} EXECUTE FUNCTION dawdle()"
    )
    run = await run_now(db, job_id, PERSON)
    two = "SELECT count(*) >= 2 FROM run_batches WHERE run_id = $1 AND state = 'LOADED'"
    await eventually(lambda: db.fetchval(two, run.id), "two loaded batches")
    return run.id


async def expect_each_airport_once(db: Connection, run: asyncpg.Record) -> None:
    """The table holds what the file holds, and the run counted each row as new, once."""
    with AIRPORTS.open(encoding="utf-8", newline="") as file:
        expected = {row["icao"] for row in csv.DictReader(file)}
    found = [row["icao"] for row in await db.fetch(f"SELECT icao FROM {AIRPORTS_TABLE}")]
    assert (set(found), len(found)) == (expected, len(expected))
    expect_success(run, rows=len(expected))


async def expect_each_row_once(db: Connection, run: asyncpg.Record) -> None:
    """The table holds each made-up record, and the run counted each as new, once."""
    found = [row["id"] for row in await db.fetch(f"SELECT id FROM {TABLE} ORDER BY id")]
    assert found == list(range(1, RECORDS + 1))
    expect_success(run, rows=RECORDS)


def expect_success(run: asyncpg.Record, *, rows: int) -> None:
    """The run ended well and counted so many rows as new, each once."""
    assert (run["state"], run["error_message"]) == ("SUCCEEDED", None)
    assert run["counters"]["rows_new"] == rows
    assert run["counters"]["rows_extracted"] == rows
