"""etl-tui end to end: the real scheduler and one worker, a job on an integration, run now by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.dispatch.servers import Servers, processes, until_alive
from benchmarks.one_run import run_job
from etl_core.store.database import Connection

DATABASE: Final = "connectors"


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that succeeded: seconds by Postgres's clock, and the rows that the job's tables have then."""

    seconds: float
    rows: int


@asynccontextmanager
async def running(servers: Servers, secrets: Mapping[str, str]) -> AsyncIterator[Connection]:
    """Scheduler and worker on a new database; `secrets` are in their environment."""
    await servers.make_database(DATABASE, migrated=True)
    environment = servers.environment(DATABASE, amqp=False) | dict(secrets)
    async with servers.connection(DATABASE) as conn:
        with processes(servers, "connectors") as started:
            started.start(["-m", "scheduler"], environment)
            started.start(["-m", "workers"], environment)
            await until_alive(conn, workers=1)
            yield conn
            started.alive()


async def set_config(conn: Connection, name: str, config: Mapping[str, Any]) -> None:
    """Another configuration for the integration of a job."""
    await conn.execute("UPDATE integrations SET config = $2 WHERE name = $1", name, dict(config))


async def run(conn: Connection, job: int) -> Ran:
    """Runs the job now and waits for its end; raises as `run_job`."""
    seconds = await run_job(conn, job)
    tables = await conn.fetch(
        "SELECT format('%I.%I', schema_name, table_name) AS name FROM destination_tables WHERE job_id = $1",
        job,
    )
    rows = [await conn.fetchval(f"SELECT count(*) FROM {table['name']}") for table in tables]
    return Ran(seconds, sum(rows))
