"""Celery and Procrastinate on the same servers: from the first enqueue to the last executed task."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.dispatch.servers import Processes, Servers, processes

WARM_UP = 50
LIMIT = 600.0
_ENQUEUE = "import sys; from benchmarks.dispatch.{module} import {names}; n = int(sys.argv[1]); {code}"
CELERY_ENQUEUE = _ENQUEUE.format(module="celery_app", names="noop", code="[noop.delay() for _ in range(n)]")
PROCRASTINATE_ENQUEUE = _ENQUEUE.format(
    module="procrastinate_app",
    names="app, noop",
    code="import asyncio\n"
    "async def main():\n"
    "    async with app.open_async():\n"
    "        for begin in range(0, n, 500):\n"
    "            await noop.batch_defer_async(*({} for _ in range(min(500, n - begin))))\n"
    "asyncio.run(main())",
)


async def celery(servers: Servers, number: int, *, processes_: int) -> float:
    """No-op tasks a second: prefork, as many processes as asked for."""
    environment = os.environ | {"BENCH_AMQP_URL": servers.amqp_url}
    with processes(servers, "celery") as started:
        arguments = ["-m", "celery", "-A", "benchmarks.dispatch.celery_app", "worker", "-P", "prefork"]
        return await _measure(
            servers,
            started,
            [[*arguments, "-c", str(processes_), "-l", "error"]],
            CELERY_ENQUEUE,
            environment,
            number,
        )


async def make_procrastinate(servers: Servers, database: str) -> None:
    """Its schema, in a database of its own."""
    import procrastinate

    await servers.make_database(database, migrated=False)
    connector = procrastinate.PsycopgConnector(conninfo=servers.postgres.url(database))
    app: Any = procrastinate.App(connector=connector)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def procrastinate_(
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
            PROCRASTINATE_ENQUEUE,
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
    await _enqueue(enqueue, environment, WARM_UP)
    await _until_size(done, WARM_UP, started)
    await asyncio.sleep(1)
    # A process is started for the enqueue; it says when it has imported what it needs.
    go = servers.folder / "go"
    go.unlink(missing_ok=True)
    waiting = f"import time, pathlib\nimport benchmarks.dispatch.servers\n{_preload(enqueue)}"
    code = f"{waiting}\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n{enqueue}"
    enqueuing = asyncio.create_task(_enqueue(code, environment, number))
    await asyncio.sleep(4)
    begun = time.perf_counter()
    go.touch()
    await _until_size(done, WARM_UP + number, started)
    seconds = time.perf_counter() - begun
    await enqueuing
    return number / seconds


def _preload(enqueue: str) -> str:
    return enqueue.split(";", 2)[1].strip()


async def _enqueue(code: str, environment: dict[str, str], number: int) -> None:
    import sys

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(number), env=environment)
    if await process.wait():
        raise RuntimeError("enqueue failed")


async def _until_size(done: Path, size: int, started: Processes) -> None:
    give_up = time.monotonic() + LIMIT
    while done.stat().st_size < size:
        started.alive()
        if time.monotonic() > give_up:
            raise RuntimeError(f"{done.stat().st_size} of {size} tasks were executed")
        await asyncio.sleep(0.02)
