"""Who does what in a case: the program that dies, what is there before it comes, and who recovers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from etl_core.broker.protocol import STAGES, Stage
from etl_core.control.jobs import run_now
from etl_core.lifecycle.claim import claim_run
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.support.jobs import PERSON
from tests.workers.running import Hand, hand
from workers.execution import Execution

_processes = load("processes")

ALL = ",".join(STAGES)
SINGLE = (Stage.EXTRACT.value, Stage.TRANSFORM.value, Stage.LOAD.value)

Prepare = Callable[[Connection, str, int], Awaitable[None]]
"""Given a connection, the database's URL and a job that is due."""


async def ask_for_run(db: Connection, url: str, job_id: int) -> None:
    """A run that waits for a worker."""
    await run_now(db, job_id, PERSON)


async def extract(db: Connection, url: str, job_id: int) -> None:
    """A run whose batches wait to be transformed."""
    await ask_for_run(db, url, job_id)
    async with hand(db, url) as worker:
        await _extract_only(worker)
        await _leave(worker)


async def extract_and_transform(db: Connection, url: str, job_id: int) -> None:
    """A run whose batches wait to be loaded, as typed rows."""
    await ask_for_run(db, url, job_id)
    async with hand(db, url) as worker:
        await _extract_only(worker)
        await worker.work_batches([Stage.TRANSFORM])
        await _leave(worker)


async def _extract_only(worker: Hand) -> None:
    run = await claim_run(worker.db, worker.worker_id)
    assert run is not None
    await Execution(worker.pool, worker.worker_id, run, carries=False).carry_out()


async def _leave(worker: Hand) -> None:
    await _processes.stop_worker(worker.db, worker_id=worker.worker_id)


async def ask_for_run_elsewhere(db: Connection, url: str, job_id: int) -> None:
    """A run whose rows go to "another" database: this one, by its URL, so that one look sees both sides."""
    await db.execute("UPDATE integrations SET destination_url = $1", url)
    await ask_for_run(db, url, job_id)


@dataclass(frozen=True)
class Layout:
    """One way in which a run of two batches is divided between programs."""

    name: str
    stages: str
    """Of the worker that dies."""
    rings: Stage
    """What is rung for before it comes."""
    prepare: Prepare
    recover: tuple[str, ...]
    """The stages of each worker that comes after it."""
    page_size: int = 10
    """Records in each of the two batches: over 500 travel by COPY, fewer with the merge."""
    cancels: bool = False
    """A person cancels the run when its worker is dead, before others come; then the next run begins."""

    @property
    def records(self) -> int:
        return 2 * self.page_size

    config: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", {"records": self.records, "page_size": self.page_size})


LAYOUTS = (
    Layout("all stages", ALL, Stage.EXTRACT, ask_for_run, (ALL,)),
    Layout("all stages, COPY", ALL, Stage.EXTRACT, ask_for_run, (ALL,), page_size=600),
    Layout("extract", SINGLE[0], Stage.EXTRACT, ask_for_run, SINGLE),
    Layout("transform", SINGLE[1], Stage.TRANSFORM, extract, SINGLE),
    Layout("load", SINGLE[2], Stage.LOAD, extract_and_transform, SINGLE),
    Layout("elsewhere", ALL, Stage.EXTRACT, ask_for_run_elsewhere, (ALL,)),
    Layout("elsewhere, cancelled", ALL, Stage.EXTRACT, ask_for_run_elsewhere, (ALL,), cancels=True),
)
