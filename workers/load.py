"""Load: one transaction moves a batch's rows into the destination and the checkpoint behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
import structlog

from etl_core.connector import Connector
from etl_core.errors import Fenced
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from workers.batch import Batch
from workers.connector_calls import transform
from workers.loader.merge import LoadCounts, Staged, few_rows, load_at_once, merge, stage_rows
from workers.loader.piecewise import REFUSALS, first_line, load_piecewise, reject_row
from workers.loader.rejects import store_rejects
from workers.loader.target import TargetTable
from workers.outages import PASSING, step_retries
from workers.transform import TypedRows
from workers.work import JobInHand

_leases = load("leases")
_loader = load("loader")

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
        """Loads rows that are typed already; raises as `load` does.

        Rows that the destination refuses are found and rejected, the rest of the batch is loaded.
        """
        typed = [(self._tables[each.stream.name], each) for each in rows]
        try:
            try:
                return await step_retries.on(PASSING)(self._commit, batch, typed)
            except REFUSALS as error:
                log.warning("rows refused, looking for them", seq=batch.seq, error=first_line(error))
                return await step_retries.on(PASSING)(self._commit, batch, typed, piecewise=True)
        except asyncpg.PostgresError as error:
            if isinstance(error, PASSING):
                raise
            names = ", ".join(str(table) for table, _ in typed)
            what = first_line(error)
            raise CannotLoad(f"{names}: {what}" if names else what) from error

    def _transform(self, batch: Batch) -> list[TypedRows]:
        if self._connector is None:
            raise RuntimeError("a loader without a connector loads typed rows alone")
        return [
            transform(self._connector, self._tables[name].stream, records)
            for name, records in batch.records.items()
            if records
        ]

    async def _commit(
        self, batch: Batch, typed: Sequence[tuple[TargetTable, TypedRows]], *, piecewise: bool = False
    ) -> Counts:
        async with self._pool.acquire() as conn:
            if not piecewise and len(typed) == 1 and not typed[0][1].rejects:
                table, rows = typed[0]
                few = few_rows(table, rows)
                if few is not None:
                    return await self._commit_at_once(conn, batch, table, few, folded=rows.folded)
            async with conn.transaction():
                return await self._commit_in_steps(conn, batch, typed, piecewise=piecewise)

    async def _commit_at_once(
        self, conn: Connection, batch: Batch, table: TargetTable, few: Staged, *, folded: int
    ) -> Counts:
        """In one round trip, where nothing else is to be done."""
        counts: Counts | None = await conn.fetchval(
            load_at_once(table, few.columns, few.partial),
            batch.stored_at,
            batch.run_id,
            batch.seq,
            batch.lease,
            self._run.worker_id,
            self._run.job_id,
            list(batch.fragments),
            folded,
            *(few.arrays or ()),
        )
        return await self._committed_before(conn, batch) if counts is None else counts

    async def _commit_in_steps(
        self,
        conn: Connection,
        batch: Batch,
        typed: Sequence[tuple[TargetTable, TypedRows]],
        *,
        piecewise: bool,
    ) -> Counts:
        # COPY first, locks after: they are held only for the merge.
        staged = [] if piecewise else [await stage_rows(conn, table, rows) for table, rows in typed]
        if (
            await _leases.lock_leased_batch(
                conn, run_id=batch.run_id, seq=batch.seq, lease=batch.lease, worker_id=self._run.worker_id
            )
            is None
        ):
            return await self._committed_before(conn, batch)
        loaded = LoadCounts()
        rejects = [reject for _, rows in typed for reject in rows.rejects]
        if piecewise:
            await _loader.check_constraints_at_once(conn)
            for table, rows in typed:
                pieces = await load_piecewise(
                    conn, table, rows, run_id=batch.run_id, extracted_at=batch.stored_at
                )
                loaded += pieces.counts
                records = batch.records.get(rows.stream.name, ())
                rejects += [reject_row(rows, place, why, records) for place, why in pieces.refused]
        for stage in staged:
            loaded += await merge(conn, stage, run_id=batch.run_id, extracted_at=batch.stored_at)
        if rejects:
            await store_rejects(
                conn, job_id=self._run.job_id, run_id=batch.run_id, seq=batch.seq, rejects=rejects
            )
        counts: Counts = await _loader.finish_load(
            conn,
            job_id=self._run.job_id,
            run_id=batch.run_id,
            seq=batch.seq,
            fragments=list(batch.fragments),
            counts={
                "rows_new": loaded.new,
                "rows_changed": loaded.changed,
                "rows_unchanged": loaded.unchanged + sum(rows.folded for _, rows in typed),
                "rows_deleted": 0,
                "rows_rejected": len(rejects),
            },
        )
        return counts

    async def _committed_before(self, conn: Connection, batch: Batch) -> Counts:
        """An earlier try whose answer was lost may have committed; otherwise another holds the batch."""
        found = await _leases.find_batch(conn, run_id=batch.run_id, seq=batch.seq)
        if found and found["state"] == "LOADED" and found["lease"] == batch.lease:
            counts: Counts = found["counts"]
            return counts
        raise Fenced(
            f"batch {batch.seq} of run {batch.run_id} is another worker's now, or follows one not loaded"
        )
