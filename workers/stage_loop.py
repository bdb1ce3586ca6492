"""Claims work of one kind while a slot is free, and carries it out: runs to extract, or batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

import structlog

from etl_core.broker.protocol import Doorbell
from etl_core.store.database import OUTAGES
from workers.work import Held, Work

log = structlog.get_logger()

FULL_PATIENCE = 1.0
"""A loop full for longer, in seconds, takes no more rings, so that they go to others."""

Claim: TypeAlias = Callable[[int, Collection[Work]], Awaitable[Sequence[Work]]]
"""Up to so many pieces of work, now held by this worker, given those under way; fewer only when no more are
ready. May raise OUTAGES."""


class StageLoop:
    """So many slots, and what is under way in them."""

    def __init__(
        self,
        claim: Claim,
        bell: Doorbell,
        *,
        slots: int,
        poll_interval: float,
        out_of_work: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`out_of_work` is told, not more than once a freed slot, that nothing is ready."""
        self._claim = claim
        self._bell = bell
        self._slots = slots
        self._poll_interval = poll_interval
        self._out_of_work = out_of_work
        self._working: dict[asyncio.Task[None], Work] = {}
        self._slot_freed = False

    @property
    def working(self) -> Mapping[asyncio.Task[None], Work]:
        return self._working

    async def serve(self, ended: asyncio.Task[None]) -> None:
        """Until `ended` is done; what is under way then goes on."""
        while not ended.done():
            await self._fill_slots(ended)
            await self._wait_for_work(ended)

    async def _fill_slots(self, ended: asyncio.Task[None]) -> None:
        while (free := self._slots - len(self._working)) > 0 and not ended.done():
            try:
                claimed = await self._claim(free, self._working.values())
            except OUTAGES as error:
                log.warning("cannot claim; trying again", error=str(error) or type(error).__name__)
                return
            for work in claimed:
                self._start(work)
            if len(claimed) < free:
                if self._slot_freed and self._out_of_work is not None:
                    self._slot_freed = False
                    await self._out_of_work()
                return

    def _start(self, work: Work) -> None:
        claimed = {(held.run_id, held.seq) for held in work.holds}
        for task, older in self._working.items():
            if any((held.run_id, held.seq) in claimed for held in older.holds):
                task.cancel()  # of an older lease: this one is the truth
        task = asyncio.create_task(work.carry_out(), name=" ".join(str(tuple(held)) for held in work.holds))
        self._working[task] = work
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._working[task]
        self._slot_freed = True

    async def _wait_for_work(self, ended: asyncio.Task[None]) -> None:
        """Until a ring, a free slot, the poll interval, or the end."""
        if len(self._working) < self._slots:
            rung = asyncio.create_task(self._bell.wait(self._poll_interval))
            await asyncio.wait({rung, ended, *self._working}, return_when=asyncio.FIRST_COMPLETED)
            rung.cancel()
            return
        done, _ = await asyncio.wait(
            {ended, *self._working}, timeout=FULL_PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        if done:
            return
        await self._bell.pause()
        try:
            if len(self._working) >= self._slots:  # pausing takes its time: some may have ended meanwhile
                await asyncio.wait({ended, *self._working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._bell.resume()


def under_way(loops: Sequence[StageLoop]) -> Iterator[tuple[Held, asyncio.Task[None]]]:
    """Everything that is held by work under way, with the task that needs it."""
    for loop in loops:
        for task, work in loop.working.items():
            for held in work.holds:
                yield held, task
