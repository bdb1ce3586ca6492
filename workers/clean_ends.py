"""Ends runs that went through, those that end at the same time in one transaction.

Of a run that finds nothing new, its end is most of what is written. Runs that one worker claimed together
tend to end together, too: one commit then serves several, and their slots are free for one claim.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from etl_core.lifecycle.claim import ClaimedRun
from etl_core.lifecycle.settle import CleanEnd, end_clean_runs
from etl_core.store.database import Pool

_TURNS = 8
"""Of the event loop, in which others that are as far may come along; a timer would cost milliseconds."""


@dataclass(slots=True)
class CleanEnds:
    """The ends of one worker; a transaction at a time, so that what comes meanwhile shares the next."""

    pool: Pool
    worker_id: int
    _asked: list[tuple[ClaimedRun, asyncio.Future[CleanEnd]]] = field(default_factory=list)
    _writing: asyncio.Task[None] | None = None

    async def end(self, run: ClaimedRun) -> CleanEnd:
        """Raises: what the transaction raised; then nothing was written, or all of it."""
        answer: asyncio.Future[CleanEnd] = asyncio.get_running_loop().create_future()
        self._asked.append((run, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="clean ends")
        return await answer

    async def _write_all(self) -> None:
        try:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            while self._asked:
                asked, self._asked = self._asked, []
                await self._write(asked)
        finally:
            self._writing = None
            for _, answer in self._asked:  # only when we were cancelled
                answer.cancel()

    async def _write(self, asked: list[tuple[ClaimedRun, asyncio.Future[CleanEnd]]]) -> None:
        try:
            async with self.pool.acquire() as conn:
                ends = await end_clean_runs(conn, [(run.id, run.lease) for run, _ in asked], self.worker_id)
        except BaseException as error:
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error) if isinstance(error, Exception) else answer.cancel()
            if not isinstance(error, Exception):
                raise
            return
        for run, answer in asked:
            if not answer.done():  # its run was cancelled
                answer.set_result(ends[run.id])
