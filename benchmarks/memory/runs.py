"""Runs of jobs by real workers on a private PostgreSQL, and what each worker took of the memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import one_run
from benchmarks.dispatch.servers import Servers, processes
from benchmarks.memory.pages import installed
from benchmarks.memory.resident import Resident
from etl_core.store import embedded
from etl_core.store.database import Connection

CARRIED: Final = ("extract,transform,load",)
"""One worker with all stages, which carries a batch on in memory."""
STAGED: Final = ("extract", "transform", "load")
"""A worker per stage: every batch is read from the queue in between."""
_DATABASE: Final = "memory"
_TABLE: Final = "bench_source.rows"
_MOST_SECONDS: Final = 7_200.0


@dataclass(frozen=True, slots=True)
class Taken:
    """One run: its rows, its seconds, and the memory of each worker in bytes."""

    rows: int
    seconds: float
    idle: dict[str, int]
    peak: dict[str, int]
    """By the stages that the worker served."""


@contextmanager
def private_postgres() -> Iterator[Servers]:
    """A durable server in a folder right under /tmp (as root, PostgreSQL's own user must get into it)."""
    folder = Path(tempfile.mkdtemp(prefix="etl-bench-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with embedded.start(folder / "postgres", durable=True) as postgres:
            yield Servers(folder, postgres, amqp_url="")
    finally:
        embedded.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


async def run_job(
    servers: Servers, kind: str, config: dict[str, Any], workers: Sequence[str], *, rows: int
) -> Taken:
    """One job of its own, carried out by fresh workers, each with the stages named.

    Raises:
        RuntimeError: it failed, or its table does not hold `rows` rows afterwards.
    """
    await servers.make_database(_DATABASE, migrated=True)
    connectors = servers.folder / "connectors"
    if not connectors.exists():
        installed(connectors)
    path = os.pathsep.join(filter(None, (str(connectors), os.environ.get("PYTHONPATH"))))
    environment = servers.environment(_DATABASE, amqp=False) | {"PYTHONPATH": path}
    async with servers.connection(_DATABASE) as conn:
        job = await one_run.make_job(conn, "source", kind, config)
        with processes(servers, "memory") as started:
            watched = {
                stages: Resident(started.start(["-m", "workers", "--stages", stages], environment).pid)
                for stages in workers
            }
            try:
                await _until_alive(conn, len(workers))
                idle = {stages: each.now() for stages, each in watched.items()}
                seconds = await one_run.run_job(
                    conn, job, limit=_MOST_SECONDS, look_every=0.5, while_waiting=started.alive
                )
            finally:
                peak = {stages: each.stop() for stages, each in watched.items()}
        found = await conn.fetchval(f"SELECT count(*) FROM {_TABLE}")
        if found != rows:
            raise RuntimeError(f"{_TABLE} has {found} rows, not {rows}")
    return Taken(rows, seconds, idle, peak)


async def _until_alive(conn: Connection, workers: int) -> None:
    give_up = time.monotonic() + 60
    alive = "SELECT count(*) FROM workers WHERE stopped_at IS NULL AND lost_at IS NULL"
    while await conn.fetchval(alive) < workers:
        if time.monotonic() > give_up:
            raise RuntimeError("the workers did not start within 60 s")
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
