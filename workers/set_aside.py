"""Leaves a batch that is not loaded: it cannot be, and ends its lane; or its run has ended before."""

from __future__ import annotations

from etl_core.errors import Fenced
from etl_core.secret_values import mask
from etl_core.store.database import Connection
from etl_core.store.queries import load
from workers.work import Held

_leases = load("leases")


async def set_batch_aside(conn: Connection, batch: Held, worker_id: int, error: str) -> None:
    """SET_ASIDE with its reason; what follows in its lane is DISCARDED.

    Raises:
        Fenced: the batch is another's.
    """
    error = mask(error)
    async with conn.transaction():
        # The run too: extract, which holds it while it stores, must not add to the lane meanwhile.
        await _leases.lock_run(conn, run_id=batch.run_id)
        if await _leases.lock_leased_batch(conn, worker_id=worker_id, **batch._asdict()) is None:
            raise Fenced(f"batch {batch.seq} of run {batch.run_id} belongs to another worker now")
        lane = await _leases.set_aside(conn, run_id=batch.run_id, seq=batch.seq, error=error)
        await _leases.discard_lane(conn, run_id=batch.run_id, lane=lane)


async def leave_not_landed(conn: Connection, batch: Held, worker_id: int, error: str | None) -> bool:
    """A batch of which its destination was asked, and that is not there: SET_ASIDE for `error`, or DISCARDED.

    True: it is to be loaded after all, for its run goes on and what follows was extracted behind it.

    Raises:
        Fenced: the batch is another's.
    """
    async with conn.transaction():
        run = await _leases.lock_run(conn, run_id=batch.run_id)
        if run is None or await _leases.lock_held_batch(conn, worker_id=worker_id, **batch._asdict()) is None:
            raise Fenced(f"batch {batch.seq} of run {batch.run_id} belongs to another worker now")
        if error is not None:
            lane = await _leases.set_aside(conn, run_id=batch.run_id, seq=batch.seq, error=error)
            await _leases.discard_lane(conn, run_id=batch.run_id, lane=lane)
        elif run["extract_done"]:
            await _leases.discard_batch(conn, run_id=batch.run_id, seq=batch.seq)
        else:
            return True
        return False
