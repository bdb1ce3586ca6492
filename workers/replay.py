"""Replay of rejects: a run of the job whose records are those that could not be loaded before.

They are read from the database, go through the connector's transform and the merge like any others, in one
lane, and move no checkpoint. What is special about their batches the database sees to
(`sql/migrations/0015_rejects.sql`): a batch was extracted when its rejects were, and they are gone in the
transaction that loads it, but for those that it refuses again. So a replay may be killed anywhere: a reject
is there until its record is loaded, and no longer.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

import asyncpg
import structlog
from pydantic import BaseModel, ValidationError

from etl_core.connector import Connector, ExtractContext, Finding, Page, Record, Stream
from etl_core.errors import Permanent, Transient
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.models.reject import REPLAY_OPTION, ReplaySelection
from etl_core.store.database import Pool
from etl_core.store.queries import load
from etl_core.validation_text import describe
from workers.loader.rejects import MAX_KEPT, MAX_KEPT_BYTES
from workers.outages import PASSING, step_retries

_leases = load("leases")
_rejects = load("rejects")

log = structlog.get_logger()

REPLAY_LANE: Final = "replay of rejects"
"""The lane of every batch of a replay, and of no other: the triggers of 0015 go by it."""

PAGE_RECORDS: Final = MAX_KEPT
PAGE_BYTES: Final = MAX_KEPT_BYTES // 2
"""At most: when all of a page is refused again, all of it must be kept again."""


def replaying(pool: Pool, run: ClaimedRun, worker_id: int, connector: Connector) -> Connector:
    """The connector for `run`: one that replays rejects if that is what was asked for, else as it is.

    Raises:
        Permanent: the run's option cannot be read.
    """
    if REPLAY_OPTION not in run.options:
        return connector
    try:
        selection = ReplaySelection.model_validate(run.options[REPLAY_OPTION])
    except ValidationError as error:
        raise Permanent(f"option {REPLAY_OPTION} of the run: {describe(error)}") from None
    return ReplayConnector(pool, run, worker_id, connector, selection)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where reading is, in the order of extraction, stream and id."""

    at: datetime | None = None
    stream: str = ""
    id: int = 0


class ReplayConnector:
    """Yields rejects of the run's job in place of the source's records; for all else it is its connector."""

    type: ClassVar[str] = "replay"
    Config: ClassVar[builtins.type[BaseModel]] = BaseModel
    default_max_runs: ClassVar[int | None] = None

    def __init__(
        self, pool: Pool, run: ClaimedRun, worker_id: int, connector: Connector, selection: ReplaySelection
    ) -> None:
        self._pool = pool
        self._run = run
        self._worker_id = worker_id
        self._connector = connector
        self._selection = selection
        self._streams: list[str] = []

    async def check(self) -> Sequence[Finding] | None:
        return await self._connector.check()

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        streams = await self._connector.discover(context)
        self._streams = [stream.name for stream in streams]
        return streams

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        """Pages of one stream's rejects that were extracted at the same time, the oldest first.

        Versions of a record are in their order so, and each batch can be told from rows extracted later.

        Raises:
            Transient: the database could not be used for so long.
        """
        place = _Place()
        try:
            total = await step_retries.on(PASSING)(self._count)
            while (taken := await step_retries.on(PASSING)(self._take, place)) is not None:
                place, records = taken
                if records:
                    yield Page(lane=REPLAY_LANE, records={place.stream: records}, total=total)
        except PASSING as error:
            why = str(error) or builtins.type(error).__name__
            raise Transient(f"the rejects could not be read: {why}", retry_in_place=False) from error

    def transform(self, stream: Stream, record: Record) -> Record:
        return self._connector.transform(stream, record)

    async def _count(self) -> int | None:
        """Records to be replayed, if no earlier holder has done some; tells what stays."""
        counts = await _rejects.count_rejects(
            self._pool,
            job_id=self._run.job_id,
            ids=self._selection.ids,
            stream=self._selection.stream,
            streams=self._streams,
        )
        if counts["rejects"] > counts["records"]:
            log.warning(
                "rejects stay: they are no JSON records, or of streams that the source has no more",
                rejects=counts["rejects"] - counts["records"],
            )
        return counts["records"] if self._run.lease == 1 else None

    async def _take(self, place: _Place) -> tuple[_Place, list[Record]] | None:
        """The records of the next batch, which is said to hold them; None when there are no more.

        Said before the batch is stored, so that it is dated and its rejects are gone with its load. Extract
        stores a page as the batch behind the last one: that is its number.
        """
        run = self._run
        async with self._pool.acquire() as conn, conn.transaction():
            held = await _leases.lock_leased_run(
                conn, run_id=run.id, lease=run.lease, worker_id=self._worker_id
            )
            if held is None:
                return None  # whoever writes next is told that the run is another's
            seq = 1 + await _leases.last_seq(conn, run_id=run.id)
            rows = [
                row
                async for row in _rejects.read_replay_page(
                    conn,
                    job_id=run.job_id,
                    run_id=run.id,
                    seq=seq,
                    ids=self._selection.ids,
                    stream=self._selection.stream,
                    streams=self._streams,
                    after_at=place.at,
                    after_stream=place.stream,
                    after_id=place.id,
                    at_most=PAGE_RECORDS,
                    most_bytes=PAGE_BYTES,
                )
            ]
            if not rows:
                return None
            records = {row["id"]: record for row in rows if (record := _record(row)) is not None}
            if records:
                await _rejects.assign_rejects(conn, run_id=run.id, seq=seq, ids=list(records))
        last = rows[-1]
        return _Place(last["extracted_at"], last["stream"], last["id"]), list(records.values())


def _record(row: asyncpg.Record) -> dict[str, Any] | None:
    """The reject's record; None if Python cannot read what PostgreSQL takes for JSON: it stays.

    json, not msgspec: what was kept may hold lone surrogates and numbers of any size.
    """
    try:
        record: dict[str, Any] = json.loads(row["payload"])
    except (ValueError, RecursionError) as error:
        log.warning("a reject cannot be read and stays", reject=row["id"], error=str(error))
        return None
    return record
