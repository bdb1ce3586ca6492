"""`python -m tests.singer_proof`: 200,000 rows through a real tap, the worker killed in the middle of it.

Real programs on a real PostgreSQL: tap-spreadsheets (installed into .cache) reads a CSV, a worker loads it
and is killed by SIGKILL when it has loaded a part; another worker goes on. Then each row is there once, and
nothing of the killed worker's tap is left. Its last result stands in docs/reliability.md.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from etl_core.control.jobs import run_now
from etl_core.store import embedded
from etl_core.store.database import Connection, connect
from etl_core.store.migrations import migrate
from tests.e2e.running import Processes, processes
from tests.support.jobs import PERSON, make_job, one
from tests.workers.connectors.singer.taps import kept_tap, use_kept_taps

PATIENCE = 900.0
TABLE = "acme_made_up.rows"


def main(argv: list[str] | None = None) -> int:
    """0 when it held; 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m tests.singer_proof", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=2, help="workers killed, one after another (default: 2)")
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="etl-singer-proof-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with embedded.start(folder / "postgres", durable=False) as server:
            asyncio.run(_prove(server.url("postgres"), folder, args.rows, args.kills))
    except AssertionError as error:
        print(f"did not hold: {error}", file=sys.stderr)
        return 1
    finally:
        embedded.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
    print("held: each row once, nothing left of the killed workers' taps")
    return 0


async def _prove(url: str, folder: Path, rows: int, kills: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        use_kept_taps(patch)
        program = (await kept_tap("tap-spreadsheets", "1.1.2")).program
    file = folder / "rows.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["id", "name", "amount"])
        writer.writerows([n, f"name {n}", n * 3] for n in range(rows))
    settings = {"files": [{"path": str(file), "format": "csv", "primary_keys": ["id"], "table_name": "rows"}]}
    db = await connect(url, application_name="proof")
    try:
        await migrate(db)
        job = await make_job(db, kind="singer", config={"tap": str(program), "config": settings})
        with processes(url, None, folder, anew=True) as started:
            started._environment["ETL_ALLOW_COMMANDS"] = str(program)
            await _run(db, started, job, rows, kills)
    finally:
        await db.close()


async def _run(db: Connection, started: Processes, job: int, rows: int, kills: int) -> None:
    started.scheduler()
    worker = started.worker()
    began = time.monotonic()
    run = await run_now(db, job, PERSON)
    for number in range(1, kills + 1):
        part = rows * number // (kills + 1)
        loaded = await _until(db, f"SELECT count(*) >= {part} FROM {TABLE}", run.id)
        assert loaded, f"it ended before {part:,} rows were loaded"
        taps = _taps_of(worker.pid)
        assert taps, "the worker has no tap"
        worker.kill()
        worker.wait()
        give_up = time.monotonic() + 5
        while any(Path(f"/proc/{pid}").exists() for pid in taps):
            assert time.monotonic() < give_up, "a tap outlived its worker by 5 s"
            await asyncio.sleep(0.02)
        print(f"killed worker {number} behind {part:,} rows; its tap is gone", flush=True)
        worker = started.worker()
    await _until(db, "SELECT finished_at IS NOT NULL FROM job_runs WHERE id = $1", run.id)
    ended = await one(db, "SELECT * FROM job_runs WHERE id = $1", run.id)
    assert ended["state"] == "SUCCEEDED", ended["error_message"]
    found = await one(
        db,
        "SELECT count(*) AS rows, count(DISTINCT id) AS ids, sum(id::bigint) AS sum,"
        " sum(amount::bigint) AS amounts, count(*) FILTER (WHERE name <> 'name ' || id) AS wrong"
        f" FROM {TABLE}",
    )
    total = rows * (rows - 1) // 2
    assert tuple(found) == (rows, rows, total, 3 * total, 0), dict(found)
    counted: dict[str, Any] = ended["counters"]
    lost = await db.fetchval(
        "SELECT count(DISTINCT detail ->> 'worker') FROM job_events WHERE action = 'worker_lost'"
    )
    assert lost == kills, f"{lost} workers were found lost"
    print(
        f"{rows:,} rows, {lost} workers lost, {counted['rows_extracted']:,} records extracted, "
        f"{counted['rows_new']:,} new, {counted.get('rows_unchanged', 0):,} unchanged, "
        f"{time.monotonic() - began:.0f} s in all"
    )


async def _until(db: Connection, query: str, run: int) -> bool:
    """Whether the query came to be true before the run ended."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        is_there = await db.fetchval(f"SELECT to_regclass('{TABLE}') IS NOT NULL")
        if is_there and await db.fetchval(query, *([run] if "$1" in query else [])):
            return True
        if await db.fetchval("SELECT finished_at IS NOT NULL FROM job_runs WHERE id = $1", run):
            return False
        await asyncio.sleep(0.1)
    raise AssertionError(f"waited {PATIENCE:g} s")


def _taps_of(worker: int) -> list[int]:
    """The worker's descendants."""
    found = []
    for child in Path(f"/proc/{worker}/task").glob("*/children"):
        for pid in map(int, child.read_text().split()):
            found += [pid, *_taps_of(pid)]
    return found


if __name__ == "__main__":
    sys.exit(main())
