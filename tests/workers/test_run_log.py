"""The log of a run: kept in order, bounded, without secrets, and there before the run's end is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import structlog

from etl_core.connector import ExtractContext, Page, Record, Stream
from etl_core.control.jobs import run_now
from etl_core.control.run_logs import read_log, read_log_end
from etl_core.lifecycle.takeover import take_over
from etl_core.run_log import tell_run
from etl_core.secret_values import remember_secret
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.support.jobs import PERSON, eventually, fall_silent, make_job, make_worker, start_run
from tests.workers.running import Hand
from workers import execution, run_log
from workers.connectors.synthetic import SyntheticConnector
from workers.connectors.synthetic.config import SyntheticConfig
from workers.milestones import FIRST

_prune = load("prune")
_run_logs = load("run_logs")


class Talking(SyntheticConnector):
    """Tells a line for each of many, one with a secret and what PostgreSQL cannot store, and fails."""

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        context.log.write("with talkative-secret, \0 and \ud800")
        for number in range(20):
            context.log.write(f"line {number}", "debug")
        context.log.write("x" * 9_000, "error")
        yield Page(lane="l", records={})
        raise RuntimeError("at the end")

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        return []

    def transform(self, stream: Stream, record: Record) -> Record:
        return record


async def test_kept_in_order_bounded_and_masked(worker: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_secret("talkative-secret")
    monkeypatch.setattr(run_log, "FIRST_LINES", 3)
    monkeypatch.setattr(run_log, "LAST_LINES", 2)
    monkeypatch.setattr(run_log, "CUT_EVERY", 5)

    def talking(*_: Any, **__: Any) -> Talking:
        return Talking(SyntheticConfig())

    monkeypatch.setattr(execution, "connector_for", talking)
    run = await worker.run(await worker.make_job())
    assert run["state"] == "FAILED"
    lines = await read_log(worker.db, run["id"])
    last = lines[-1]
    assert [(line.level, line.message[:40]) for line in lines] == [
        ("info", "with ***, \\x00 and \\ud800"),
        ("debug", "line 0"),
        ("debug", "line 1"),
        ("warning", "... 17 lines left out ..."),
        ("debug", "line 19"),
        ("error", "x" * 40),
        ("error", "run ended"),
    ]
    assert lines[-1].fields["kind"] == "internal"
    del lines[-1]
    assert lines[-1].message.endswith("... (9,000 characters)")
    assert [line.id for line in await read_log(worker.db, run["id"], after=lines[-1].id)] == [last.id]


async def test_milestones_of_a_run_stand_in_its_log(worker: Hand) -> None:
    """What the worker logs of it, and its end with the counts; levels and texts are filtered."""
    with structlog.testing.capture_logs(processors=[tell_run]):
        run = await worker.run(await worker.make_job(records=250, page_size=100, bad_rate=0.1))
    lines = await read_log(worker.db, run["id"])
    told = [line.message for line in lines]
    assert told[0] == "run claimed"
    assert told[-1] == "run ended"
    assert told.count("batch stored") == told.count("batch loaded") == 3
    assert {"streams", "table changed", "partition begun", "partition done"} <= set(told)
    assert lines[0].fields == {"trigger": "manual", "lease": 1, "worker": worker.worker_id}
    assert (lines[-1].fields["state"], lines[-1].fields["rows_new"]) == ("SUCCEEDED", 225)

    rejected = await read_log(worker.db, run["id"], level="warning")
    assert [line.message for line in rejected] == ["records rejected"] * 3
    assert list(rejected[0].fields["reasons"].values()) == [10]
    assert (await read_log(worker.db, run["id"], text="CREATE table"))[0].message == "table changed"
    last = await read_log_end(worker.db, run["id"], limit=2)
    assert [line.id for line in last] == [line.id for line in lines[-2:]]


async def test_a_long_log_is_cut_in_its_middle_again_and_again(db: Connection) -> None:
    """By whoever writes: what is left out is counted once for all, and the first lines stay the first."""
    run = await start_run(db, await make_job(db), await make_worker(db))
    limits = {"first_lines": 5, "first_bytes": 1_000, "last_lines": 3, "last_bytes": 1_000}

    async def tell(first: int, count: int, *, dropped: int = 0) -> None:
        for number in range(first, first + count):
            await _run_logs.add_line(db, run_id=run.id, level="info", message=f"line {number}", fields={})
        await _run_logs.cut_log(db, run_id=run.id, dropped=dropped, **limits)

    async def told() -> list[str]:
        return [line.message.removeprefix("line ") for line in await read_log(db, run.id)]

    await tell(1, 8)
    assert await told() == ["1", "2", "3", "4", "5", "6", "7", "8"]
    await tell(9, 4)
    assert await told() == ["1", "2", "3", "4", "5", "... 4 lines left out ...", "10", "11", "12"]
    await tell(13, 2, dropped=1_000)
    assert await told() == ["1", "2", "3", "4", "5", "... 1006 lines left out ...", "12", "13", "14"]


async def test_what_a_worker_told_before_it_was_killed_is_there(db: Connection, database_url: str) -> None:
    """A real process, kill -9, and the next one: the log says who was lost, and where it went on."""
    job_id = await make_job(db, config={"records": 4_000, "page_size": 100, "delay_ms": 100})
    environment = {"ETL_LEASE_TIMEOUT": "1", "ETL_HEARTBEAT_INTERVAL": "0.2", "ETL_LOG_LEVEL": "error"}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "workers"],
            env={**os.environ, **environment, "ETL_DATABASE_URL": database_url},
            stderr=subprocess.DEVNULL,
        )

    run = await run_now(db, job_id, PERSON)

    async def stored() -> int:
        lines = await read_log(db, run.id, text="batch stored")
        return len(lines)

    worker = start()
    try:
        await eventually(stored, "the first lines of a run")
        worker.kill()
        worker.wait()
        told = [line.message for line in await read_log(db, run.id)]
        assert told[0] == "run claimed"
        batches = await db.fetchval("SELECT max(seq) FROM run_batches WHERE run_id = $1", run.id)
        newest = (await read_log(db, run.id, text="batch stored"))[-1]
        # A batch takes 100 ms, and a line a quarter of a second: no more than the last few are missing.
        assert newest.fields["seq"] >= min(FIRST, batches) - 5
        await fall_silent(db, await db.fetchval("SELECT max(id) FROM workers"))
        await take_over(db, lost_after=1)
        worker = start()
        claims = "SELECT count(*) = 2 FROM run_logs WHERE run_id = $1 AND message = 'run claimed'"
        await eventually(lambda: db.fetchval(claims, run.id), "another worker")
    finally:
        worker.kill()
        worker.wait()
    lines = await read_log(db, run.id, level="info")
    (lost,) = [line for line in lines if line.message.startswith("taken over")]
    assert (lost.level, lost.fields["losses"]) == ("warning", 0)
    second = [line for line in lines if line.message == "run claimed"][1]
    assert second.id > lost.id
    assert second.fields["lease"] == 3


async def test_lines_are_pruned_by_age_also_of_runs_that_are_kept(db: Connection) -> None:
    job_id, worker_id = await make_job(db), await make_worker(db)
    run = await start_run(db, job_id, worker_id)
    old = (
        "INSERT INTO run_logs (run_id, at, level, message) SELECT $1, now() - interval '9 days', 'info', 'x'"
    )
    await db.execute(old, run.id)
    assert await _prune.prune_logs(db, keep_days=3.0, at_most=100) == 0  # its run is open
    await db.execute(
        "UPDATE job_runs SET state = 'SUCCEEDED', finished_at = now() - interval '9 days' WHERE id = $1",
        run.id,
    )
    await _run_logs.add_line(db, run_id=run.id, level="info", message="of today", fields={})
    assert await _prune.prune_logs(db, keep_days=3.0, at_most=100) == 1
    assert [line.message for line in await read_log(db, run.id)] == ["of today"]
