"""`python -m benchmarks.dispatch`: every figure in one run, ours and the peers' in turns."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from itertools import product
from pathlib import Path

from benchmarks.dispatch import jobs, peers
from benchmarks.dispatch.execution import executed, first_runs
from benchmarks.dispatch.idle import idle
from benchmarks.dispatch.latency import pick_up, resumed
from benchmarks.dispatch.publishing import dispatch_alone, raw_publish
from benchmarks.dispatch.report import Report
from benchmarks.dispatch.servers import Servers, private_servers
from etl_core.process import configure_logging
from etl_core.settings import Settings

PARTS = ("publish", "execute", "idle", "pickup", "lost")
TRANSPORTS = (("amqp", True), ("postgres", False))
FLEETS = (2, 500)
"""Workers to ring for; 500 are as many rings as jobs in a lot: the most that dispatch can cost."""
RAW = "raw publish"
CELERY = "Celery"
PROCRASTINATE = "Procrastinate"
DATABASE = "bench"


def main() -> None:
    """Measures what is asked for and prints the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--rounds", type=int, default=3, help="of publish and execute (default: 3)")
    parser.add_argument("--messages", type=int, default=10_000, help="to publish, jobs to dispatch")
    parser.add_argument("--jobs", type=int, default=2_000, help="of ours to execute a round")
    parser.add_argument("--tasks", type=int, default=4_000, help="of a peer to execute a round")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of each system")
    parser.add_argument("--slots", type=int, default=4, help="of each worker of ours and Procrastinate's")
    parser.add_argument("--idle-jobs", type=int, default=100_000)
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--keep-logs", action="store_true", help="of the processes, in the temporary folder")
    options = parser.parse_args()
    configure_logging(Settings(log_level="warning"))
    report = Report()
    with private_servers() as servers:
        try:
            asyncio.run(_measure(servers, options, report))
        finally:
            if options.keep_logs:
                kept = Path(tempfile.mkdtemp(prefix="etl-bench-logs-"))
                for log in servers.folder.glob("*.log"):
                    log.rename(kept / log.name)
                print(f"logs: {kept}")
    print()
    print(report.text(_comparisons()))


def _comparisons() -> list[tuple[str, str, str]]:
    found = [
        (f"dispatch alone, {name}, {workers} workers", RAW, "0.6")
        for (name, _), workers in product(TRANSPORTS, FLEETS)
    ]
    for name, _ in TRANSPORTS:
        for what in ("nothing", "one"):
            found.append((f"executed, {what}, {name}", CELERY, "1"))
            found.append((f"executed, {what}, {name}", PROCRASTINATE, "2"))
    return found


async def _measure(servers: Servers, options: argparse.Namespace, report: Report) -> None:
    measures = {
        "publish": _publish,
        "execute": _execute,
        "pickup": _pick_up,
        "lost": _lost,
        "idle": _idle,
    }
    for part, measure in measures.items():
        if part in options.parts:
            print(part, flush=True)
            await measure(servers, options, report)


async def _publish(servers: Servers, options: argparse.Namespace, report: Report) -> None:
    await servers.make_database("dispatch", migrated=True)
    async with servers.connection("dispatch") as conn:
        await jobs.make_jobs(conn, "due", 100, jobs.NOTHING)
        await conn.execute(
            "INSERT INTO etl_jobs (job_name, schedule_interval_minutes, retry_interval_minutes,"
            " integration_id, tenant_id, last_run_started_at)"
            " SELECT j.job_name || '-' || n, 600, 60, j.integration_id, j.tenant_id, now()"
            " FROM etl_jobs AS j CROSS JOIN generate_series(2, $1::int / 100) AS n"
            " WHERE j.job_name LIKE 'due-%'",
            options.messages,
        )
    number = options.messages // 100 * 100
    for _ in range(options.rounds):
        report.add(RAW, await raw_publish(servers, options.messages), "messages/s")
        for (name, amqp), workers in product(TRANSPORTS, FLEETS):
            rate = await dispatch_alone(servers, "dispatch", "due", number, amqp=amqp, workers=workers)
            report.add(f"dispatch alone, {name}, {workers} workers", rate, "jobs/s")


async def _execute(servers: Servers, options: argparse.Namespace, report: Report) -> None:
    await servers.make_database(DATABASE, migrated=True)
    async with servers.connection(DATABASE) as conn:
        await jobs.make_jobs(conn, "warm", 20, jobs.ONE)
        await jobs.make_jobs(conn, "nothing", options.jobs, jobs.NOTHING)
        await jobs.make_jobs(conn, "one", options.jobs, jobs.ONE)
    await first_runs(servers, DATABASE, ["warm", "nothing", "one"], slots=options.slots)
    if not options.without_peers:
        await peers.make_procrastinate(servers, "procrastinate")
    for _ in range(options.rounds):
        for name, amqp in TRANSPORTS:
            for what in ("nothing", "one"):
                rate = await executed(
                    servers,
                    DATABASE,
                    what,
                    options.jobs,
                    amqp=amqp,
                    workers=options.workers,
                    slots=options.slots,
                )
                report.add(f"executed, {what}, {name}", rate, "jobs/s")
        if options.without_peers:
            continue
        rate = await peers.celery(servers, options.tasks, processes_=options.workers)
        report.add(CELERY, rate, "tasks/s")
        rate = await peers.procrastinate(
            servers,
            "procrastinate",
            options.tasks,
            processes_=options.workers,
            concurrency=options.slots,
        )
        report.add(PROCRASTINATE, rate, "tasks/s")


async def _pick_up(servers: Servers, options: argparse.Namespace, report: Report) -> None:
    await servers.make_database("pickup", migrated=True)
    async with servers.connection("pickup") as conn:
        await jobs.make_jobs(conn, "warm", 1, jobs.NOTHING)
    for name, amqp in TRANSPORTS:
        for value in await pick_up(servers, "pickup", 50, amqp=amqp):
            report.note(f"run-now picked up, {name} (goal: < 50)", value, "ms")


async def _lost(servers: Servers, options: argparse.Namespace, report: Report) -> None:
    await servers.make_database("lost", migrated=True)
    async with servers.connection("lost") as conn:
        await jobs.make_jobs(conn, "slow", 1, jobs.SLOW, tenants=1)
    for name, amqp in TRANSPORTS:
        for value in await resumed(servers, "lost", options.rounds, amqp=amqp):
            report.add(f"dead worker to resumed, {name} (goal: < 15)", value, "s")


async def _idle(servers: Servers, options: argparse.Namespace, report: Report) -> None:
    await servers.make_database("idle", migrated=True)
    async with servers.connection("idle") as conn:
        await jobs.make_jobs(conn, "other", 1, jobs.NOTHING, tenants=1)
    own, backends, memory = await idle(servers, "idle", options.idle_jobs, options.idle_seconds)
    what = f"scheduler over {options.idle_jobs:,} idle jobs"
    report.add(f"{what}, CPU (goal: < 0.5)", own, "% of a core")
    report.add(f"{what}, its backends", backends, "% of a core")
    report.add(f"{what}, memory (goal: < 120)", memory, "MB")


if __name__ == "__main__":
    main()
