"""Takes runs from workers that are lost, so that another goes on from the last stored batch."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import structlog

from etl_core.control.audit import Actor, record_event
from etl_core.errors import ErrorKind
from etl_core.lifecycle.settle import cut_version
from etl_core.rules.outcome import MAX_LOSSES
from etl_core.store.database import Connection
from etl_core.store.queries import load

_leases = load("leases")
_processes = load("processes")
_events = load("events")

log = structlog.get_logger()

SWEEP = Actor("sweep")


def worker_application_name(worker_id: int) -> str:
    """The application_name that every connection of a worker's incarnation carries."""
    return f"etl-worker/{worker_id}"


@dataclass(frozen=True, slots=True)
class Takeover:
    """What one sweep took from lost or stopped workers."""

    lost_workers: list[int]
    freed_runs: list[int]
    """Back in the queue."""
    ended_runs: list[int]
    """Given up after three lost workers; they need settling."""


async def take_over(conn: Connection, *, lost_after: float) -> Takeover:
    """Declares silent workers lost, ends their connections, frees their runs.

    A stopped process holds its locks in the middle of a COPY; so its backends go first, then its runs.
    `lost_after` is in seconds, by Postgres's clock.
    """
    lost = [row async for row in _processes.declare_lost(conn, lost_after=lost_after)]
    for worker in lost:
        ended = await _processes.terminate_backends(
            conn, application_name=worker_application_name(worker["id"])
        )
        log.warning(
            "worker lost",
            worker=worker["id"],
            host=worker["host"],
            pid=worker["pid"],
            connections_ended=ended,
        )
    takeover = Takeover([worker["id"] for worker in lost], [], [])
    for orphan in [row async for row in _processes.list_orphaned_runs(conn)]:
        await _free(conn, orphan, takeover)
    return takeover


async def _free(conn: Connection, orphan: asyncpg.Record, takeover: Takeover) -> None:
    run_id = orphan["id"]
    async with conn.transaction():
        job = await _leases.lock_job_of_run(conn, run_id=run_id)
        run = await _leases.lock_run(conn, run_id=run_id)
        if run is None or run["state"] != "RUNNING" or run["worker_id"] != orphan["worker_id"]:
            return  # somebody was faster
        charged = 1 if orphan["is_lost"] or orphan["worker_id"] is None else 0
        who = f"{orphan['host']}:{orphan['pid']}" if orphan["host"] else "a forgotten worker"
        if charged:
            await record_event(
                conn,
                "worker_lost",
                SWEEP,
                job_id=run["job_id"],
                run_id=run_id,
                worker=who,
                losses=run["losses"] + 1,
            )
        await _leases.release_run(conn, run_id=run_id, ready_at=None, wait_reason=None, losses=charged)
        await cut_version(conn, job, run_id, actor=SWEEP.name)
        if run["losses"] + charged >= MAX_LOSSES:
            lost_on = [
                row["worker"]
                async for row in _events.lost_workers_of_run(conn, run_id=run_id, at_most=MAX_LOSSES)
            ]
            stored = await _leases.last_seq(conn, run_id=run_id)
            await _leases.discard_batches(conn, run_id=run_id)
            await _leases.fail_run(
                conn,
                run_id=run_id,
                error_kind=ErrorKind.LOST,
                error_message=f"{MAX_LOSSES} workers were lost on it ({', '.join(reversed(lost_on))}) "
                f"after batch {stored}; look at their logs and memory",
            )
            takeover.ended_runs.append(run_id)
        else:
            takeover.freed_runs.append(run_id)
    log.warning("run taken over", run=run_id, worker=who, losses=run["losses"] + charged)
