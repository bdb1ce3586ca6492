"""Celery and Procrastinate on the same servers: from the first enqueue to the last executed task."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.dispatch.servers import CHECKOUT, Processes, Servers, processes

WARM_UP = 50
LIMIT = 600.0
CELERY = """
import sys
from benchmarks.dispatch.celery_app import noop
def enqueue():
    for _ in range(int(sys.argv[1])):
        noop.delay()
"""
PROCRASTINATE = """
import asyncio, sys
from benchmarks.dispatch.procrastinate_app import app, noop
async def all_of_them():
    async with app.open_async():
        left = int(sys.argv[1])
        while left > 0:
            await noop.batch_defer_async(*({} for _ in range(min(500, left))))
            left -= 500
def enqueue():
    asyncio.run(all_of_them())
"""


async def celery(servers: Servers, number: int, *, processes_: int) -> float:
    """No-op tasks a second: prefork, as many processes as asked for."""
    environment = os.environ | {"BENCH_AMQP_URL": servers.amqp_url}
    with processes(servers, "celery") as started:
        arguments = ["-m", "celery", "-A", "benchmarks.dispatch.celery_app", "worker", "-P", "prefork"]
        return await _measure(
            servers,
            started,
            [[*arguments, "-c", str(processes_), "-l", "error"]],
            CELERY,
            environment,
            number,
        )


async def make_procrastinate(servers: Servers, database: str) -> None:
    """Its schema, in a database of its own."""
    from procrastinate import App, PsycopgConnector

    await servers.make_database(database, migrated=False)
    connector = PsycopgConnector(conninfo=servers.postgres.url(database))
    app: Any = App(connector=connector)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def procrastinate(
    servers: Servers, database: str, number: int, *, processes_: int, concurrency: int
) -> float:
    """No-op tasks a second: as many worker processes and tasks at once in each as ours have slots."""
    environment = os.environ | {"BENCH_DATABASE_URL": servers.postgres.url(database)}
    with processes(servers, "procrastinate") as started:
        worker = ["-m", "procrastinate", "--app", "benchmarks.dispatch.procrastinate_app.app", "worker"]
        return await _measure(
            servers,
            started,
            [[*worker, "--concurrency", str(concurrency)] for _ in range(processes_)],
            PROCRASTINATE,
            environment,
            number,
        )


async def _measure(
    servers: Servers,
    started: Processes,
    workers: list[list[str]],
    enqueue: str,
    environment: dict[str, str],
    number: int,
) -> float:
    done = servers.folder / "done"
    done.write_bytes(b"")
    environment = environment | {"BENCH_DONE": str(done)}
    for worker in workers:
        started.start(worker, environment)
    await _enqueue(f"{enqueue}\nenqueue()", environment, WARM_UP)
    await _until_size(done, WARM_UP, started)
    # The process that enqueues imports what it needs first, and waits for a word.
    go = servers.folder / "go"
    go.unlink(missing_ok=True)
    wait = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    enqueuing = asyncio.create_task(_enqueue(f"{enqueue}\n{wait}\nenqueue()", environment, number))
    await asyncio.sleep(4)
    begun = time.perf_counter()
    go.touch()
    await _until_size(done, WARM_UP + number, started)
    seconds = time.perf_counter() - begun
    await enqueuing
    return number / seconds


async def _enqueue(code: str, environment: dict[str, str], number: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(number), env=environment, cwd=CHECKOUT
    )
    if await process.wait():
        raise RuntimeError("enqueue failed")


async def _until_size(done: Path, size: int, started: Processes) -> None:
    give_up = time.monotonic() + LIMIT
    while done.stat().st_size < size:
        started.alive()
        if time.monotonic() > give_up:
            raise RuntimeError(f"{done.stat().st_size} of {size} tasks were executed")
        await asyncio.sleep(0.02)
