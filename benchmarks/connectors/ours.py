"""etl-tui end to end: the real scheduler and one worker, a job on an integration, run now by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.dispatch.servers import Servers, processes, until_alive
from etl_core.control.audit import Actor
from etl_core.control.jobs import run_now
from etl_core.store.database import Connection

DATABASE: Final = "connectors"
_PERSON: Final = Actor("benchmark")


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


async def make_job(conn: Connection, name: str, kind: str, config: Mapping[str, Any]) -> int:
    """A job that no schedule starts."""
    await conn.execute("INSERT INTO tenants (name) VALUES ('bench') ON CONFLICT DO NOTHING")
    await conn.execute("UPDATE etl_jobs SET active = false WHERE integration_id IS NULL")
    job: int = await conn.fetchval(
        "WITH integration AS ("
        " INSERT INTO integrations (name, type, tenant_id, config)"
        " SELECT $1, $2, id, $3 FROM tenants WHERE name = 'bench' RETURNING id, tenant_id)"
        " INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes, integration_id,"
        " tenant_id, active) SELECT $1, 600, 60, id, tenant_id, false FROM integration RETURNING id",
        name,
        kind,
        dict(config),
    )
    return job


async def set_config(conn: Connection, name: str, config: Mapping[str, Any]) -> None:
    """Another configuration for the integration of a job."""
    await conn.execute("UPDATE integrations SET config = $2 WHERE name = $1", name, dict(config))


async def run(conn: Connection, job: int, *, limit: float = 1800) -> Ran:
    """Runs the job now and waits for its end.

    Raises:
        RuntimeError: it failed, or took longer than `limit` seconds.
    """
    asked = await run_now(conn, job, _PERSON)
    give_up = time.monotonic() + limit
    while not await conn.fetchval("SELECT finished_at IS NOT NULL FROM job_runs WHERE id = $1", asked.id):
        if time.monotonic() > give_up:
            raise RuntimeError(f"the run did not end within {limit:g} s")
        await asyncio.sleep(0.05)
    row = await conn.fetchrow(
        "SELECT state, error_message,"
        " extract(EPOCH FROM finished_at - started_at)::float AS seconds FROM job_runs WHERE id = $1",
        asked.id,
    )
    if row is None or row["state"] != "SUCCEEDED":
        raise RuntimeError(f"the run failed: {row and row['error_message']}")
    tables = await conn.fetch(
        "SELECT format('%I.%I', schema_name, table_name) AS name FROM destination_tables WHERE job_id = $1",
        job,
    )
    rows = [await conn.fetchval(f"SELECT count(*) FROM {table['name']}") for table in tables]
    return Ran(row["seconds"], sum(rows))
