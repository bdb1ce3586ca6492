"""Workers and queues as people see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl_core.broker.protocol import Stage
from etl_core.control.audit import Actor, record_event
from etl_core.errors import Conflict
from etl_core.models.dispatch import QueueRow, SchedulerRow, WorkerRow
from etl_core.store.database import Connection
from etl_core.store.queries import load

if TYPE_CHECKING:
    from etl_core.broker.protocol import Broker

_processes = load("processes")


async def list_workers(conn: Connection, *, lost_after: float) -> list[WorkerRow]:
    """Workers alive, or gone within the last hour, newest first."""
    rows = _processes.list_workers(conn, lost_after=lost_after)
    return [WorkerRow.model_validate(dict(row)) async for row in rows]


async def list_schedulers(conn: Connection, *, silent_after: float) -> list[SchedulerRow]:
    """Schedulers alive, or gone within the last hour, newest first; silent ones have no heartbeat so long."""
    rows = _processes.list_schedulers(conn, silent_after=silent_after)
    return [SchedulerRow.model_validate(dict(row)) async for row in rows]


async def drain_worker(conn: Connection, worker_id: int, actor: Actor, *, drain: bool = True) -> None:
    """It finishes what it holds and takes no more; `drain=False` lets it work again.

    Raises:
        Conflict: no such worker is alive.
    """
    async with conn.transaction():
        row = await _processes.drain_worker(
            conn, worker_id=worker_id, draining_by=actor.name if drain else None
        )
        if row is None:
            raise Conflict(f"no worker {worker_id} is alive; `etl-tui workers list` shows them")
        action = "drain" if drain else "undrain"
        await record_event(
            conn,
            action,
            actor,
            worker=worker_id,
            host=row["host"],
            pid=row["pid"],
            before={"draining_by": row["was_draining_by"]},
            after={"draining_by": actor.name if drain else None},
        )


async def list_queues(conn: Connection, broker: Broker) -> list[QueueRow]:
    """What is ready for each stage, beside what the broker's own queue holds.

    Raises:
        Unreachable: the broker does not answer.
    """
    queues = []
    async for row in _processes.list_stages(conn):
        depth = await broker.depth(Stage(row["stage"]))
        queues.append(
            QueueRow(
                **dict(row),
                broker_messages=depth.ready if depth else None,
                broker_consumers=depth.consumers if depth else None,
            )
        )
    return queues
