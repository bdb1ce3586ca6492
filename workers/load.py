"""Load: one transaction moves a batch's rows into the destination and the checkpoint behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import asyncpg
import structlog

from etl_core.connector import Column, ColumnType, Connector, Record, Stream
from etl_core.errors import Fenced
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from workers.batch import Batch
from workers.connector_calls import transform
from workers.loader import walks
from workers.loader.inference import Rehearsal, infer_columns, with_key
from workers.loader.merge import LoadCounts, Staged, few_rows, load_at_once, merge, stage_rows
from workers.loader.piecewise import REFUSALS, first_line, load_piecewise, reject_row
from workers.loader.quarantine import Quarantine
from workers.loader.rejects import store_rejects
from workers.loader.tables import ensure_tables, mode_of
from workers.loader.target import TargetTable
from workers.outages import PASSING, step_retries
from workers.transform import Transforms, TypedRows
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
        *,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """`options` are what a person asked of the run."""
        self._pool = pool
        self._run = run
        self._connector = connector
        self._tables = dict(tables)
        self._options = options or {}
        self._inferred: dict[str, dict[str, ColumnType]] = {}
        """Stream -> columns that its records were found to need, whether its table may have them or not."""

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
        """Typed rows of the batch's streams; off the event loop when they are many.

        Streams whose columns are inferred get those that the records need, in a transaction of their own.

        Raises:
            Permanent, Transient: as `ensure_tables`, or of the connector.
        """
        if self._connector is None:
            raise RuntimeError("a loader without a connector loads typed rows alone")
        typed = []
        for name, records in batch.records.items():
            if not records:
                continue
            connector: Transforms = self._connector
            if self._tables[name].stream.infer:
                connector = await self._fit_table(name, connector, records)
            typed.append(await self._type(connector, self._tables[name], records))
        return typed

    async def _type(self, connector: Transforms, table: TargetTable, records: Sequence[Record]) -> TypedRows:
        if table.refused:
            connector = Quarantine(connector, dict(table.refused))
        # What connector_calls wants of a connector is its `transform`.
        stream = table.stream if table.is_made else with_key(table.stream)
        arguments = (cast("Connector", connector), stream, records)
        if len(records) <= FEW_RECORDS:
            return transform(*arguments)
        return await asyncio.to_thread(transform, *arguments)

    async def _fit_table(self, name: str, connector: Transforms, records: Sequence[Record]) -> Rehearsal:
        """Lets the table of an inferred stream have what these records need; the connector's answers."""
        table = self._tables[name]
        rehearsal = Rehearsal(connector, table.stream)
        bare = replace(table, stream=Stream(name, ()), refused=())
        await self._type(rehearsal, bare, records)
        rehearsal.repeat()
        asked_for = self._inferred.setdefault(name, {})
        known = {column.name: column.type for column in table.stream.columns} | asked_for
        rows = [row for row in rehearsal.rows if all(row.get(name) is not None for name in table.stream.key)]
        wider = infer_columns(known, table.declared, rows)
        if wider or not table.is_made:
            asked_for |= {column.name: column.type for column in wider}
            self._tables[name] = await step_retries.on(PASSING)(self._ensure_inferred, table, asked_for)
        return rehearsal

    async def _ensure_inferred(self, table: TargetTable, asked_for: Mapping[str, ColumnType]) -> TargetTable:
        run = self._run
        declared = tuple(column for column in table.stream.columns if column.name in table.declared)
        columns = [Column(name, type_) for name, type_ in asked_for.items()]
        async with self._pool.acquire() as conn:
            tables = await ensure_tables(
                conn,
                job_id=run.job_id,
                tenant=run.tenant,
                integration=run.integration or run.job_name,
                schema=None,
                streams=[replace(table.stream, columns=declared)],
                run_id=run.id,
                mode=mode_of(self._options),
                inferred={table.stream.name: columns},
            )
        return tables[table.stream.name]

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

    async def _commit(
        self, batch: Batch, typed: Sequence[tuple[TargetTable, TypedRows]], *, piecewise: bool = False
    ) -> Counts:
        async with self._pool.acquire() as conn:
            steps = walks.steps_of(self._tables, typed, batch.fragments)
            if not piecewise and len(typed) == 1 and not steps:
                table, rows = typed[0]
                few = None if rows.rejects or _left_out(typed) else few_rows(table, rows)
                if few is not None:
                    return await self._commit_at_once(conn, batch, table, few, folded=rows.folded)
            async with conn.transaction():
                return await self._commit_in_steps(conn, batch, typed, steps, piecewise=piecewise)

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
        steps: Sequence[walks.Step],
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
        await walks.hold(conn, self._run.job_id, steps)
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
        deleted = await self._walk(conn, batch, steps) if steps else 0
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
                "rows_deleted": deleted,
                "rows_rejected": len(rejects),
                **_left_out(typed),
            },
        )
        return counts

    async def _walk(self, conn: Connection, batch: Batch, steps: Sequence[walks.Step]) -> int:
        """Full refreshes: how many rows are gone from the source and were marked deleted."""
        elsewhere = await _loader.rejected_before_load(conn, run_id=batch.run_id, seq=batch.seq)
        deleted = 0
        for step in steps:
            deleted += await walks.take(
                conn,
                self._run.job_id,
                batch.run_id,
                step,
                knows_all=not elsewhere and not (step.rows and step.rows.rejects_without_key),
                allow_deletions=self._options.get("allow_deletions") is True,
            )
        return deleted

    async def _committed_before(self, conn: Connection, batch: Batch) -> Counts:
        """An earlier try whose answer was lost may have committed; otherwise another holds the batch."""
        found = await _leases.find_batch(conn, run_id=batch.run_id, seq=batch.seq)
        if found and found["state"] == "LOADED" and found["lease"] == batch.lease:
            counts: Counts = found["counts"]
            return counts
        raise Fenced(
            f"batch {batch.seq} of run {batch.run_id} is another worker's now, or follows one not loaded"
        )


def _left_out(typed: Sequence[tuple[TargetTable, TypedRows]]) -> Counts:
    """Values that a frozen table has no column for: told, since nothing else would."""
    values = sum(
        count
        for table, rows in typed
        for name, count in rows.unknown_fields.items()
        if name in table.left_out
    )
    return {"values_left_out": values} if values else {}
