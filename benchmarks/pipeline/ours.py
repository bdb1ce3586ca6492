"""etl-tui end to end: the real scheduler and workers, a `files` job, run now by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.dispatch.servers import CHECKOUT, Processes, Servers, processes, until_alive
from benchmarks.one_run import make_job, run_job
from benchmarks.pipeline.measure import Load, expect_loaded, measured
from benchmarks.pipeline.processor_time import meter
from benchmarks.pipeline.records import KEY, STREAM, Phase, write_jsonl
from etl_core.store.database import Connection

CARRIED: Final = "etl-tui"
"""One worker with all stages, which carries a batch on in memory."""
STAGED: Final = "etl-tui, a process per stage"
"""A worker per stage: every batch goes through the queue in between."""
_STAGES: Final = {CARRIED: (None,), STAGED: ("extract", "transform", "load")}
_DATABASE: Final = "pipeline"
_WARM_UP = 2_000
_SAMPLER: Final = Path(__file__).parent / "sampler"


def can_be_staged() -> bool:
    """Whether workers can be told which stages they serve."""
    asked = subprocess.run(
        [sys.executable, "-m", "workers", "--help"], cwd=CHECKOUT, check=True, capture_output=True
    )
    return b"--stages" in asked.stdout


async def load_through(
    system: str, servers: Servers, files: dict[Phase, Path], number: int, *, samples: Path | None = None
) -> list[Load]:
    """The three phases through a job of its own, timed by Postgres's clock from the start of the run.

    With `samples`, a folder, the workers write there where their threads are, which slows them a little.
    """
    await servers.make_database(_DATABASE, migrated=True)
    async with (
        servers.connection(_DATABASE) as conn,
        _running(system, servers, conn, samples) as started,
    ):
        folder = servers.folder / "delivered"
        folder.mkdir(exist_ok=True)
        warm = folder / "warm.jsonl"
        write_jsonl(warm, _WARM_UP, Phase.INSERT)
        await run_job(conn, await make_job(conn, "warm", "files", _config(warm)))
        delivered = folder / f"{STREAM}.jsonl"
        job = await make_job(conn, "pipeline", "files", _config(delivered))
        read_used = meter(servers.postgres.folder, [process.pid for process in started.started])
        loads = []
        for phase, file in files.items():
            delivered.unlink(missing_ok=True)
            delivered.hardlink_to(file)
            async with measured(conn, system, phase, number, read_used) as load:
                load.seconds = await run_job(conn, job)
            schema = await conn.fetchval(
                "SELECT schema_name FROM destination_tables WHERE job_id = $1 AND stream = $2", job, STREAM
            )
            await expect_loaded(conn, f'"{schema}".{STREAM}', number, phase=phase)
            loads.append(load)
    return loads


@asynccontextmanager
async def _running(
    system: str, servers: Servers, conn: Connection, samples: Path | None
) -> AsyncIterator[Processes]:
    environment = servers.environment(_DATABASE, amqp=True)
    sampled = environment | _sampling(samples)
    with processes(servers, "pipeline") as started:
        started.start(["-m", "scheduler"], environment)
        for stage in _STAGES[system]:
            started.start(["-m", "workers", *(["--stages", stage] if stage else [])], sampled)
        try:
            await until_alive(conn, workers=len(_STAGES[system]))
            yield started
        except RuntimeError:
            started.alive()  # its log says more
            raise
        started.alive()


def _sampling(samples: Path | None) -> dict[str, str]:
    if samples is None:
        return {}
    path = os.pathsep.join(filter(None, (str(_SAMPLER), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, "BENCH_SAMPLES": str(samples)}


def _config(path: Path) -> dict[str, Any]:
    return {"path": str(path), "stream": STREAM, "key": [KEY]}
