"""Workers and queues as people see them."""

from __future__ import annotations

from collections.abc import Sequence
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


async def list_queues(conn: Connection, broker: Broker | None = None) -> list[QueueRow]:
    """What is ready for each stage, in the order of the stages; with a broker, beside what its queues hold.

    Raises:
        Unreachable: the broker does not answer.
    """
    queues = [
        QueueRow(**dict(row), broker_messages=None, broker_consumers=None)
        async for row in _processes.list_stages(conn)
    ]
    return await add_depths(queues, broker) if broker is not None else queues


async def add_depths(queues: Sequence[QueueRow], broker: Broker) -> list[QueueRow]:
    """The same with what the broker's own queues hold; as they are on a transport without messages.

    Raises:
        Unreachable: the broker does not answer.
    """
    found = []
    for queue in queues:
        depth = await broker.depth(Stage(queue.stage))
        told = {"broker_messages": depth.ready, "broker_consumers": depth.consumers} if depth else {}
        found.append(queue.model_copy(update=told))
    return found
