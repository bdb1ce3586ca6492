"""Load: one transaction moves a batch's rows into the destination and the checkpoint behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import structlog

from etl_core.connector import Connector
from etl_core.errors import Fenced
from etl_core.store.database import Pool
from etl_core.store.queries import load
from workers.batch import Batch
from workers.connector_calls import transform
from workers.loader.merge import copy_rows, merge
from workers.loader.rejects import store_rejects
from workers.loader.target import TargetTable
from workers.outages import PASSING, step_retries
from workers.transform import Reject, TypedRows
from workers.work import JobInHand

_leases = load("leases")
_checkpoints = load("checkpoints")

log = structlog.get_logger()

Counts = dict[str, int]

FEW_RECORDS = 100
"""So many are transformed in the event loop: sooner done than a thread is woken."""


class CannotLoad(Exception):
    """The destination refuses this batch for good; its lane ends here."""


class Loader:
    """Loads the batches of one run, in the order in which they are given."""

    def __init__(
        self,
        pool: Pool,
        run: JobInHand,
        connector: Connector | None,
        tables: Mapping[str, TargetTable],
    ) -> None:
        self._pool = pool
        self._run = run
        self._connector = connector
        self._tables = tables

    def table(self, stream: str) -> TargetTable:
        """Where a stream goes."""
        return self._tables[stream]

    async def load(self, batch: Batch) -> Counts:
        """Transforms and loads; the counts of its rows.

        Raises:
            Fenced: the batch belongs to another. CannotLoad: set it aside.
        """
        return await self.load_rows(batch, await self.transform(batch))

    async def transform(self, batch: Batch) -> list[TypedRows]:
        """Typed rows of the batch's streams; off the event loop when they are many."""
        if sum(len(records) for records in batch.records.values()) <= FEW_RECORDS:
            return self._transform(batch)
        return await asyncio.to_thread(self._transform, batch)

    async def load_rows(self, batch: Batch, rows: Sequence[TypedRows]) -> Counts:
        """Loads rows that are typed already; raises as `load` does."""
        typed = [(self._tables[each.stream.name], each) for each in rows]
        try:
            counts: Counts = await step_retries.on(PASSING)(self._commit, batch, typed)
        except asyncpg.PostgresError as error:
            if isinstance(error, PASSING):
                raise
            names = ", ".join(str(table) for table, _ in typed)
            # Its first line; DETAIL would show the whole row to everybody who sees the job.
            what = str(error.args[0]).partition("\n")[0]
            raise CannotLoad(f"{names}: {what}" if names else what) from error
        return counts

    def _transform(self, batch: Batch) -> list[TypedRows]:
        if self._connector is None:
            raise RuntimeError("a loader without a connector loads typed rows alone")
        return [
            transform(self._connector, self._tables[name].stream, records)
            for name, records in batch.records.items()
            if records
        ]

    async def _commit(self, batch: Batch, typed: list[tuple[TargetTable, TypedRows]]) -> Counts:
        async with self._pool.acquire() as conn, conn.transaction():
            # COPY first, locks after: they are held only for the merge.
            staged = [(rows, await copy_rows(conn, table, rows)) for table, rows in typed]
            if (
                await _leases.lock_leased_batch(
                    conn, run_id=batch.run_id, seq=batch.seq, lease=batch.lease, worker_id=self._run.worker_id
                )
                is None
            ):
                return await self._committed_before(conn, batch)
            counts = {"rows_new": 0, "rows_changed": 0, "rows_unchanged": 0, "rows_deleted": 0}
            rejects: list[Reject] = []
            for rows, stage in staged:
                merged = await merge(conn, stage, run_id=batch.run_id, extracted_at=batch.stored_at)
                counts["rows_new"] += merged.new
                counts["rows_changed"] += merged.changed
                counts["rows_unchanged"] += merged.unchanged + rows.folded
                rejects += rows.rejects
            if rejects:
                await store_rejects(
                    conn, job_id=self._run.job_id, run_id=batch.run_id, seq=batch.seq, rejects=rejects
                )
            counts["rows_rejected"] = len(rejects)
            await _checkpoints.move_checkpoints(
                conn, job_id=self._run.job_id, fragments=list(batch.fragments)
            )
            total: Counts = await _leases.mark_loaded(conn, run_id=batch.run_id, seq=batch.seq, counts=counts)
            return total

    async def _committed_before(self, conn: Any, batch: Batch) -> Counts:
        """An earlier try whose answer was lost may have committed; otherwise another holds the batch."""
        found = await _leases.find_batch(conn, run_id=batch.run_id, seq=batch.seq)
        if found and found["state"] == "LOADED" and found["lease"] == batch.lease:
            counts: Counts = found["counts"]
            return counts
        raise Fenced(
            f"batch {batch.seq} of run {batch.run_id} is another worker's now, or follows one not loaded"
        )
