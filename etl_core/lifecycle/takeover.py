"""Takes runs from workers that are lost, so that another goes on from the last stored batch."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import structlog

from etl_core.control.audit import Actor, record_event
from etl_core.errors import ErrorKind
from etl_core.lifecycle.settle import cut_version
from etl_core.models.run import RunState
from etl_core.rules.outcome import MAX_LOSSES
from etl_core.store.database import Connection
from etl_core.store.queries import load

_leases = load("leases")
_processes = load("processes")
_events = load("events")
_run_logs = load("run_logs")

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
    """Back in the queue, or, where nothing is left to extract, waiting for their batches."""
    freed_batches: list[int]
    """Runs of which batches wait again."""
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
    takeover = Takeover([worker["id"] for worker in lost], [], [], [])
    for row in [row async for row in _processes.list_orphaned_runs(conn)]:
        await _free(conn, row["id"], takeover)
    return takeover


async def _free(conn: Connection, run_id: int, takeover: Takeover) -> None:
    """What workers that are gone hold of a run is free again: the run itself, batches, or both."""
    async with conn.transaction():
        job = await _leases.lock_job_of_run(conn, run_id=run_id)
        run = await _leases.lock_run(conn, run_id=run_id)
        if run is None or not RunState(run["state"]).is_open:
            return  # it ended meanwhile
        holder = await _processes.worker_of_run(conn, run_id=run_id)
        batches = [row async for row in _leases.free_batches(conn, run_id=run_id)]
        for batch in batches:
            if batch["is_charged"]:
                await _charge_batch(conn, run, batch)
        if (
            run["state"] == "RUNNING"
            and holder["is_gone"]
            and not (run["worker_id"] is None and run["extract_done"])
        ):
            charged_already = any(b["is_charged"] and b["worker_id"] == run["worker_id"] for b in batches)
            await _free_run(conn, run, holder, takeover, charged_already=charged_already)
        if batches:
            takeover.freed_batches.append(run_id)
        await cut_version(conn, job, run_id, actor=SWEEP.name)
        gone = holder if (holder["is_gone"] and holder["host"]) or not batches else batches[0]
        await _run_logs.add_line(
            conn,
            run_id=run_id,
            level="warning",
            message="taken over: its worker is lost or stopped, another goes on behind the last stored batch",
            fields={"worker": _name(gone), "batches": len(batches), "losses": run["losses"]},
        )
    log.warning("run taken over", run=run_id, worker=_name(gone), batches=len(batches))


async def _charge_batch(conn: Connection, run: asyncpg.Record, batch: asyncpg.Record) -> None:
    """A worker was lost with this batch in hand; the third time it is set aside, which ends its lane."""
    await record_event(
        conn,
        "worker_lost",
        SWEEP,
        job_id=run["job_id"],
        run_id=run["id"],
        worker=_name(batch),
        batch=batch["seq"],
        losses=batch["attempts"],
    )
    if batch["attempts"] >= MAX_LOSSES:
        lost_on = await _lost_on(conn, run["id"], batch["seq"])
        error = f"{batch['attempts']} workers were lost on it ({lost_on}); look at their logs and memory"
        if batch["attempts"] < 2 * MAX_LOSSES and await _leases.ask_landing(
            conn, run_id=run["id"], seq=batch["seq"], error=error
        ):
            return  # it may be in another database already: somebody looks, and sets it aside if not
        await _leases.set_aside(conn, run_id=run["id"], seq=batch["seq"], error=error)
        await _leases.discard_lane(conn, run_id=run["id"], lane=batch["lane"])


async def _free_run(
    conn: Connection,
    run: asyncpg.Record,
    holder: asyncpg.Record,
    takeover: Takeover,
    *,
    charged_already: bool,
) -> None:
    run_id = run["id"]
    charged = 0 if charged_already else int(bool(holder["is_lost"]) or run["worker_id"] is None)
    if charged:
        await record_event(
            conn,
            "worker_lost",
            SWEEP,
            job_id=run["job_id"],
            run_id=run_id,
            worker=_name(holder),
            losses=run["losses"] + 1,
        )
    await _leases.release_run(conn, run_id=run_id, ready_at=None, wait_reason=None, losses=charged)
    if run["losses"] + charged < MAX_LOSSES:
        takeover.freed_runs.append(run_id)
        return
    stored = await _leases.last_seq(conn, run_id=run_id)
    await _leases.discard_batches(conn, run_id=run_id)
    await _leases.fail_run(
        conn,
        run_id=run_id,
        error_kind=ErrorKind.LOST,
        error_message=f"{MAX_LOSSES} workers were lost on it ({await _lost_on(conn, run_id)}) "
        f"after batch {stored}; look at their logs and memory",
    )
    takeover.ended_runs.append(run_id)


async def _lost_on(conn: Connection, run_id: int, seq: int | None = None) -> str:
    """The last workers lost on a run or batch, oldest first: `host:pid, host:pid`."""
    lost = _events.lost_workers_of_run(conn, run_id=run_id, seq=seq, at_most=MAX_LOSSES)
    return ", ".join(reversed([row["worker"] async for row in lost]))


def _name(worker: asyncpg.Record) -> str:
    return f"{worker['host']}:{worker['pid']}" if worker["host"] else "a forgotten worker"
