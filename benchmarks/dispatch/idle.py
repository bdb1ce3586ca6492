"""What a scheduler costs that has nothing to do."""

from __future__ import annotations

import asyncio
import time

import psutil

from benchmarks.dispatch.servers import Servers, ours, until_alive

SETTLE = 20.0
"""Seconds after the start that are not counted."""


async def idle(servers: Servers, database: str, number: int, seconds: float) -> tuple[float, float, float]:
    """One scheduler over `number` jobs of which none is due.

    Returns: CPU of the scheduler, and of its PostgreSQL backends, in percent of a core; its memory in MB.
    """
    async with servers.connection(database) as conn:
        await conn.execute(
            "INSERT INTO integrations (name, type, tenant_id, config) SELECT 'idle-' || n, 'synthetic', t.id,"
            " '{\"records\": 0}' FROM generate_series(1, 100) AS n CROSS JOIN"
            " (SELECT min(id) AS id FROM tenants) AS t"
        )
        await conn.execute(
            "INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes,"
            " integration_id, tenant_id, last_run_started_at, created_at)"
            " SELECT 'idle-' || n, 1440, 60, i.id, i.tenant_id, now(), now()"
            " FROM generate_series(1, $1::int) AS n"
            " INNER JOIN integrations AS i ON i.name = 'idle-' || (1 + n % 100)",
            number,
        )
        await conn.execute("VACUUM ANALYZE")
    with ours(servers, database, amqp=False, workers=0, slots=1) as started:
        async with servers.connection(database) as conn:
            await until_alive(conn, workers=0)
            await asyncio.sleep(SETTLE)
            scheduler = psutil.Process(started.started[0].pid)
            backends = [
                psutil.Process(row["pid"])
                for row in await conn.fetch(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'etl-scheduler'"
                )
            ]
            before, backends_before = _cpu([scheduler]), _cpu(backends)
            begun = time.monotonic()
            await asyncio.sleep(seconds)
            elapsed = time.monotonic() - begun
            own, others = _cpu([scheduler]) - before, _cpu(backends) - backends_before
            memory = scheduler.memory_info().rss / 1_000_000
    return 100 * own / elapsed, 100 * others / elapsed, memory


def _cpu(of: list[psutil.Process]) -> float:
    total = 0.0
    for process in of:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
