"""Load: one transaction moves a batch's rows into the destination and the checkpoint behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import asyncpg
import structlog

from etl_core.backfill import BACKFILL_OPTION
from etl_core.connector import Column, ColumnType, Connector, Record, Stream
from etl_core.errors import Fenced
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from workers.batch import FEW_RECORDS, Batch
from workers.connector_calls import transform
from workers.loader import destination, walks
from workers.loader.children import Gone, delete_children, delete_named, what_is_gone
from workers.loader.destination import Outcome
from workers.loader.inference import Rehearsal, infer_columns, with_key
from workers.loader.left_out import left_out
from workers.loader.merge import Staged, few_rows, load_at_once, merge, stage_rows
from workers.loader.piecewise import REFUSALS, first_line, load_piecewise, reject_row
from workers.loader.quarantine import Quarantine
from workers.loader.rejects import store_rejects
from workers.loader.tables import ensure_tables, mode_of
from workers.loader.target import TargetTable
from workers.milestones import tell_rejects
from workers.outages import PASSING, step_retries
from workers.replay import REPLAY_LANE
from workers.transform import Transforms, TypedRows
from workers.work import JobInHand

_leases = load("leases")
_loader = load("loader")

log = structlog.get_logger()

Counts = dict[str, int]


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
        on_staged: Callable[[], None] = lambda: None,
    ) -> None:
        """`options` are what a person asked of the run; `on_staged` hears of rows that are copied."""
        self._pool = pool
        self._run = run
        self._connector = connector
        self._tables = dict(tables)
        self._options = options or {}
        self._on_staged = on_staged
        self._inferred: dict[str, dict[str, ColumnType]] = {}
        """Stream -> columns that its records were found to need, whether its table may have them or not."""

    def table(self, stream: str) -> TargetTable:
        """Where a stream goes."""
        return self._tables[stream]

    async def load(self, batch: Batch, typed: Sequence[TypedRows] | None = None) -> Counts:
        """Transforms, unless that was done, and loads; the counts of its rows.

        Raises:
            Fenced: the batch belongs to another. CannotLoad: set it aside.
        """
        return await self.load_rows(batch, await self.transform(batch) if typed is None else typed)

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
        # A reject may be gone from its source: a replay tells a walk nothing of what it has, nor a backfill.
        is_beside = _only_older(batch) or BACKFILL_OPTION in self._options
        gone = Gone() if is_beside else what_is_gone(self._tables, typed, batch.fragments)
        tables = [table for table, _ in typed] + gone.tables
        elsewhere = tables[0].destination if tables else None  # of all tables of a job alike
        async with self._pool.acquire() as conn:
            if elsewhere is not None:
                return await self._commit_elsewhere(conn, elsewhere, batch, typed, gone, piecewise=piecewise)
            if not piecewise and len(typed) == 1 and not gone.tables:
                table, rows = typed[0]
                few = None if rows.rejects or left_out(typed) else few_rows(table, rows)
                if few is not None:
                    return await self._commit_at_once(conn, batch, table, few, folded=rows.folded)
            async with conn.transaction():
                return await self._commit_in_steps(conn, batch, typed, gone, piecewise=piecewise)

    async def _commit_at_once(
        self, conn: Connection, batch: Batch, table: TargetTable, few: Staged, *, folded: int
    ) -> Counts:
        """In one round trip, where nothing else is to be done."""
        counts: Counts | None = await conn.fetchval(
            load_at_once(table, few.columns, few.partial, _only_older(batch)),
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
        gone: Gone,
        *,
        piecewise: bool,
    ) -> Counts:
        # COPY first, locks after: they are held only for the merge.
        staged = [] if piecewise else [await stage_rows(conn, table, rows) for table, rows in typed]
        self._on_staged()
        if not await self._hold(conn, batch):
            return await self._committed_before(conn, batch)
        await walks.hold(conn, self._run.job_id, gone.steps)
        outcome = await self._merge(conn, batch, typed, staged)
        outcome.deleted = await self._walk(conn, conn, batch, typed, gone.steps)
        outcome.deleted += await delete_named(conn, batch.run_id, gone)
        outcome.deleted += await delete_children(conn, self._tables, batch.run_id, gone)
        return await self._finish(conn, batch, typed, outcome)

    async def _commit_elsewhere(
        self,
        conn: Connection,
        reference: str,
        batch: Batch,
        typed: Sequence[tuple[TargetTable, TypedRows]],
        gone: Gone,
        *,
        piecewise: bool,
    ) -> Counts:
        """The order of it: `workers.loader.destination`."""
        async with destination.lend(reference, conn) as there:
            if not await self._announce(conn, batch, reference):
                return await self._committed_before(conn, batch)
            async with conn.transaction():
                return await self._commit_there(conn, there, batch, typed, gone, piecewise=piecewise)

    async def _commit_there(
        self,
        conn: Connection,
        there: Connection,
        batch: Batch,
        typed: Sequence[tuple[TargetTable, TypedRows]],
        gone: Gone,
        *,
        piecewise: bool,
    ) -> Counts:
        if not await self._hold(conn, batch):
            return await self._committed_before(conn, batch)
        await walks.hold(conn, self._run.job_id, gone.steps)
        async with destination.turn(there, conn, batch.run_id, batch.seq, batch.lease) as turn:
            if turn.outcome is None:
                staged = [] if piecewise else [await stage_rows(there, *each) for each in typed]
                self._on_staged()
                outcome = await self._merge(there, batch, typed, staged)
                outcome.deleted = await self._walk(conn, there, batch, typed, gone.steps)
                outcome.deleted += await delete_named(there, batch.run_id, gone)
                outcome.deleted += await delete_children(there, self._tables, batch.run_id, gone)
                await turn.write(outcome)
            else:  # whoever held it before was lost in between
                outcome = turn.outcome
                await self._walk(conn, there, batch, typed, gone.steps)
        return await self._finish(conn, batch, typed, outcome)

    async def _announce(self, conn: Connection, batch: Batch, reference: str) -> bool:
        announced = await _leases.announce_landing(
            conn,
            run_id=batch.run_id,
            seq=batch.seq,
            lease=batch.lease,
            worker_id=self._run.worker_id,
            lands_in=reference,
        )
        return announced is not None

    async def _hold(self, conn: Connection, batch: Batch) -> bool:
        run_id, seq, lease, worker_id = batch.run_id, batch.seq, batch.lease, self._run.worker_id
        held = await _leases.lock_leased_batch(conn, run_id=run_id, seq=seq, lease=lease, worker_id=worker_id)
        return held is not None

    async def _merge(
        self,
        there: Connection,
        batch: Batch,
        typed: Sequence[tuple[TargetTable, TypedRows]],
        staged: Sequence[Staged],
    ) -> Outcome:
        """Merges what was staged; row by row, where they must be looked for, when nothing was."""
        outcome = Outcome()
        for stage in staged:
            outcome.add(
                await merge(
                    there,
                    stage,
                    run_id=batch.run_id,
                    extracted_at=batch.stored_at,
                    only_older=_only_older(batch),
                )
            )
        if not staged and typed:
            await _loader.check_constraints_at_once(there)
            for table, rows in typed:
                pieces = await load_piecewise(
                    there,
                    table,
                    rows,
                    run_id=batch.run_id,
                    extracted_at=batch.stored_at,
                    only_older=_only_older(batch),
                )
                outcome.add(pieces.counts)
                outcome.refused += [(rows.stream.name, place, why) for place, why in pieces.refused]
        return outcome

    async def _finish(
        self,
        conn: Connection,
        batch: Batch,
        typed: Sequence[tuple[TargetTable, TypedRows]],
        outcome: Outcome,
    ) -> Counts:
        by_stream = {rows.stream.name: rows for _, rows in typed}
        rejects = [reject for rows in by_stream.values() for reject in rows.rejects]
        rejects += [
            reject_row(by_stream[stream], place, why, batch.records.get(stream, ()))
            for stream, place, why in outcome.refused
        ]
        if rejects:
            await store_rejects(
                conn, job_id=self._run.job_id, run_id=batch.run_id, seq=batch.seq, rejects=rejects
            )
            tell_rejects(batch.seq, [reject.reason for reject in rejects])
        counts: Counts = await _loader.finish_load(
            conn,
            job_id=self._run.job_id,
            run_id=batch.run_id,
            seq=batch.seq,
            fragments=list(batch.fragments),
            counts={
                "rows_new": outcome.new,
                "rows_changed": outcome.changed,
                "rows_unchanged": outcome.unchanged + sum(rows.folded for _, rows in typed),
                "rows_deleted": outcome.deleted,
                "rows_rejected": len(rejects),
                **left_out(typed),
            },
        )
        return counts

    async def _walk(
        self,
        conn: Connection,
        there: Connection,
        batch: Batch,
        typed: Sequence[tuple[TargetTable, TypedRows]],
        steps: Sequence[walks.Step],
    ) -> int:
        """Full refreshes: how many rows are gone from the source and were marked deleted."""
        if not steps:
            return 0
        # Of what was rejected before, a transform worker has told the keys; extract has none.
        told = sum(rows.rejected_earlier for _, rows in typed)
        rejected = await _loader.rejected_before_load(conn, run_id=batch.run_id, seq=batch.seq)
        deleted = 0
        for step in steps:
            deleted += await walks.take(
                conn,
                there,
                self._run.job_id,
                batch.run_id,
                step,
                knows_all=rejected == told and not (step.rows and step.rows.rejects_without_key),
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


def _only_older(batch: Batch) -> bool:
    """Whether rows that were extracted later than the batch are left alone: it is a replay of rejects."""
    return batch.lane == REPLAY_LANE
