"""Workers by their own code, each piece of work let on one transaction at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from etl_core.broker.protocol import STAGES, Stage
from etl_core.lifecycle.claim import claim_runs
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from tests.support.jobs import fall_silent, make_worker
from tests.workers.model.gates import Gate, GatedPool, settle_down
from workers.batch_work import BatchWork, claim_batch
from workers.execution import Execution
from workers.lease_watch import _give_back
from workers.rings import Rings
from workers.work import Held, Work

_processes = load("processes")
_interventions = load("interventions")


class Bells:
    """A broker that keeps what was rung, for others to deliver: late, in another order, twice or never."""

    def __init__(self) -> None:
        self.rung: list[Stage] = []

    async def ring(self, stage: Stage, times: int = 1) -> None:
        self.rung += [stage] * times


@dataclass(eq=False)
class Piece:
    """A run or a batch in the hands of a worker, or of one who was lost and does not know."""

    worker: int
    work: Work
    gate: Gate
    task: asyncio.Task[None]

    @property
    def can_go_on(self) -> bool:
        return not self.task.done() and self.gate.waiting > 0


@dataclass
class Worker:
    """An incarnation."""

    id: int
    stages: Sequence[Stage]
    is_gone: bool = False
    """Silent, stopped or dead: it claims nothing more."""
    unanswered: list[Held] = field(default_factory=list)
    """Claims whose answers were lost."""


class Crew:
    """All workers that there were, and what is in their hands."""

    def __init__(self, conn: Connection, pool: Pool) -> None:
        self._conn = conn
        self._pool = pool
        self.bells = Bells()
        self.rings = Rings(self.bells)
        self.workers: dict[int, Worker] = {}
        self.pieces: list[Piece] = []
        self.done = Counter[str]()

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if not worker.is_gone]

    @property
    def movable(self) -> list[Piece]:
        """What can go on, late ones included; the newest last."""
        return [piece for piece in self.pieces if piece.can_go_on]

    async def hire(self, stages: Sequence[Stage] = STAGES) -> Worker:
        worker = Worker(await make_worker(self._conn), stages)
        self.workers[worker.id] = worker
        return worker

    async def claim_run(self, worker: Worker, *, loses_answer: bool = False) -> Piece | None:
        if Stage.EXTRACT not in worker.stages:
            return None
        async with self._pool.acquire() as conn:
            runs = await claim_runs(conn, worker.id, 1)
        if not runs:
            return None
        if loses_answer:
            worker.unanswered.append(Held(runs[0].id, 0, runs[0].lease))
            return None
        gate = Gate()
        carries = {Stage.TRANSFORM, Stage.LOAD} <= set(worker.stages)
        pool = cast("Pool", GatedPool(self._pool, gate))
        return await self._begin(
            worker, gate, Execution(pool, worker.id, runs[0], carries=carries, rings=self.rings)
        )

    async def claim_batch(self, worker: Worker, *, loses_answer: bool = False) -> Piece | None:
        under_way = [p.work for p in self.pieces if p.worker == worker.id and not p.task.done()]
        if any(isinstance(work, BatchWork) and work.is_suspect for work in under_way):
            return None
        batch = await claim_batch(self._pool, worker.id, worker.stages, suspects=not under_way)
        if batch is None:
            return None
        if loses_answer:
            worker.unanswered.append(Held(batch.run_id, batch.seq, batch.lease))
            return None
        gate = Gate()
        pool = cast("Pool", GatedPool(self._pool, gate))
        return await self._begin(worker, gate, BatchWork(pool, batch, worker.stages, self.rings))

    async def _begin(self, worker: Worker, gate: Gate, work: Work) -> Piece:
        piece = Piece(worker.id, work, gate, asyncio.create_task(work.carry_out()))
        self.pieces.append(piece)
        await settle_down()
        return piece

    async def watch(self, worker: Worker) -> None:
        """What `lease_watch` does: work on what was taken is stopped, what is not worked on is given back."""
        held = {
            Held(row["run_id"], row["seq"], row["lease"])
            async for row in _interventions.list_held(self._pool, worker_id=worker.id)
        }
        for what in worker.unanswered:
            await _give_back(self._pool, what, worker.id)
        worker.unanswered.clear()
        for piece in self.pieces:
            if piece.worker == worker.id and any(what not in held for what in piece.work.holds):
                piece.task.cancel()
        await settle_down()

    async def lose(self, worker: Worker, *, dies: bool) -> None:
        """It is not heard of any more; unless it `dies`, what it works on goes on when it wakes up."""
        worker.is_gone = True
        await fall_silent(self._conn, worker.id)
        if dies:
            await self._drop(worker)

    async def stop(self, worker: Worker) -> None:
        """In good order: what it has in hand was given up or finished."""
        worker.is_gone = True
        await self._drop(worker)
        await _processes.stop_worker(self._conn, worker_id=worker.id)

    async def _drop(self, worker: Worker) -> None:
        for piece in self.of(worker):
            piece.task.cancel()
        await settle_down()

    def of(self, worker: Worker) -> list[Piece]:
        return [p for p in self.pieces if p.worker == worker.id and not p.task.done()]

    async def end(self) -> None:
        """Whatever is under way is dropped."""
        tasks = [piece.task for piece in self.pieces]
        for task in tasks:
            task.cancel()
        results: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
        await self.rings.close()
        defects = [r for r in results if isinstance(r, Exception)]
        assert not defects, defects
