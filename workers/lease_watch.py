"""Keeps what a worker works on and what it holds the same.

Work on what was taken from us (cancelled, released, past its deadline) is stopped. What we hold and do not
work on (the answer to our claim was lost) is given back; it is seen twice first, for a claim may just be on
its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from etl_core.store.database import OUTAGES, Pool
from etl_core.store.queries import load
from workers.run_end import give_back
from workers.stage_loop import StageLoop, under_way
from workers.work import Held

_interventions = load("interventions")
_leases = load("leases")

log = structlog.get_logger()

INTERVAL = 1.0
"""Seconds between two looks."""
STALL = 5.0
"""Seconds after which a look is given up."""


async def watch_leases(pool: Pool, worker_id: int, loops: Sequence[StageLoop]) -> None:
    """Looks for ever."""
    unknown: set[Held] = set()
    while True:
        await asyncio.sleep(INTERVAL)
        working = list(under_way(loops))
        try:
            async with asyncio.timeout(STALL):
                held = {
                    Held(row["run_id"], row["seq"], row["lease"])
                    async for row in _interventions.list_held(pool, worker_id=worker_id)
                }
                idle = held - {what for what, _ in under_way(loops)}
                for what in unknown & idle:
                    log.warning("held, but not worked on: given back", **what._asdict())
                    await _give_back(pool, what, worker_id)
                unknown = idle
        except (*OUTAGES, TimeoutError):
            continue
        for what, task in working:
            # Looked at again: it may have taken another batch in hand meanwhile.
            if what not in held and not task.done() and (what, task) in list(under_way(loops)):
                log.warning("was taken from this worker", **what._asdict())
                task.cancel()


async def _give_back(pool: Pool, what: Held, worker_id: int) -> None:
    if what.seq == 0:
        await give_back(pool, what.run_id, what.lease, worker_id)
    else:
        await _leases.return_batch(
            pool, run_id=what.run_id, seq=what.seq, lease=what.lease, worker_id=worker_id
        )
