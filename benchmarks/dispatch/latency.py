"""How long a person waits: run-now to picked up; a killed worker to its run resumed by another."""

from __future__ import annotations

import asyncio
import random
import time

from benchmarks.dispatch.jobs import make_due, until_all_ended
from benchmarks.dispatch.servers import Servers, ours, until_alive
from etl_core.control.audit import Actor
from etl_core.control.jobs import run_now
from etl_core.settings import Settings

PERSON = Actor("benchmark")


async def pick_up(servers: Servers, database: str, times: int, *, amqp: bool) -> list[float]:
    """Milliseconds from run-now to the claim by an idle worker, by Postgres's clock."""
    with ours(servers, database, amqp=amqp, workers=1, slots=4):
        async with servers.connection(database) as conn:
            await until_alive(conn, workers=1)
            job = await conn.fetchval("SELECT min(id) FROM etl_jobs WHERE job_name LIKE 'warm-%'")
            for _ in range(times):
                run = await run_now(conn, job, PERSON)
                while not await conn.fetchval("SELECT finished_at FROM job_runs WHERE id = $1", run.id):
                    await asyncio.sleep(0.02)
                # Not in step with any interval of theirs.
                await asyncio.sleep(0.1 + random.random() / 5)
            return [
                row["ms"]
                for row in await conn.fetch(
                    "SELECT 1000 * extract(EPOCH FROM started_at - queued_at)::float AS ms FROM job_runs"
                    " WHERE job_id = $1 AND trigger = 'manual' ORDER BY id DESC LIMIT $2",
                    job,
                    times,
                )
            ]


async def resumed(servers: Servers, database: str, times: int, *, amqp: bool) -> list[float]:
    """Seconds from kill -9 of a worker to its run in the hands of another, with default settings."""
    found = []
    # A takeover needs a scheduler that has looked for a whole lease.
    async with servers.connection(database) as conn:
        with ours(servers, database, amqp=amqp, workers=2, slots=1) as started:
            await until_alive(conn, workers=2)
            await asyncio.sleep(Settings().lease_timeout * 1.5)
            for _ in range(times):
                since = await make_due(conn, "slow")
                holder = "SELECT worker_id FROM job_runs WHERE state = 'RUNNING' AND started_at IS NOT NULL"
                while (worker := await conn.fetchval(holder)) is None:
                    await asyncio.sleep(0.05)
                await asyncio.sleep(1 + 4 * random.random())
                pid = await conn.fetchval("SELECT pid FROM workers WHERE id = $1", worker)
                victim = next(process for process in started.started if process.pid == pid)
                victim.kill()
                victim.wait()
                begun = time.perf_counter()
                while await conn.fetchval(holder) in {None, worker}:
                    await asyncio.sleep(0.02)
                found.append(time.perf_counter() - begun)
                started.started.remove(victim)
                await until_all_ended(conn, "slow", since=since)
                environment = servers.environment(database, amqp=amqp)
                started.start(["-m", "workers", "--concurrency", "1"], environment)
                await until_alive(conn, workers=2)
    return found
