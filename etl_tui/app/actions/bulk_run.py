"""An action done to many jobs, one after the other: each by itself, so that one that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from etl_core.control.audit import Actor
from etl_core.errors import EtlError, Unreachable
from etl_core.models.job import JobRow
from etl_core.store.database import Connection
from etl_tui.app.actions.action import Doing
from etl_tui.app.feed.source import JobSource


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it for one job."""

    job: JobRow
    done: bool
    text: str


class BulkRun:
    """`results` grow as it goes; `stop` ends it behind the job in hand."""

    def __init__(self, source: JobSource, doing: Doing, jobs: Sequence[JobRow]) -> None:
        self.jobs = jobs
        self.results: list[Result] = []
        self.stopped: str | None = None
        """Why the rest was not tried; None when nothing stopped it."""
        self._source = source
        self.doing = doing

    @property
    def done(self) -> list[JobRow]:
        """Those that it was done to."""
        return [result.job for result in self.results if result.done]

    @property
    def failed(self) -> int:
        return len(self.results) - len(self.done)

    @property
    def left(self) -> int:
        return len(self.jobs) - len(self.results)

    def stop(self, why: str) -> None:
        self.stopped = self.stopped or why

    async def go(self, told: Callable[[], None]) -> None:
        """Does it; `told` is called after each. A lost database stops it: nothing more could succeed."""
        for job in self.jobs:
            if self.stopped:
                return
            self.results.append(await self._attempt(job))
            told()

    async def _attempt(self, job: JobRow) -> Result:
        try:
            return Result(job, True, await self._source.act(partial(_do, self.doing, job)))
        except Unreachable as error:
            self.stop("the database is not reachable")
            return Result(job, False, f"whether it was done is not known: {error}")
        except EtlError as refusal:
            return Result(job, False, str(refusal))
        except Exception as defect:
            return Result(job, False, f"unexpected {type(defect).__name__}: {defect}")


async def _do(doing: Doing, job: JobRow, conn: Connection, actor: Actor) -> str:
    return await doing(conn, actor, job)
