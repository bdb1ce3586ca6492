"""Carries out one run: extract, transform and load side by side, until it settles, waits, or is given back.

The next page is extracted while the one before is loaded. What is extracted but not loaded stands in the
database, so that whoever takes the run over goes on from the last stored batch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from datetime import timedelta

import asyncpg
import structlog
from pydantic import ValidationError

from etl_core.connector import Connector, PartitionState, Stream
from etl_core.connectors_registry import describe, find_connector
from etl_core.control.secret_fields import secret_fields
from etl_core.errors import ErrorKind, Fenced, InvalidInput, Permanent, RateLimited, SourceError
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.lifecycle.settle import cut_version, settle_locked
from etl_core.rules.outcome import Outcome
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from workers.batch import Batch
from workers.byte_budget import ByteBudget
from workers.connector_calls import ask, build
from workers.extract import ExtractEnd, Extractor
from workers.load import CannotLoad, Loader
from workers.loader.tables import ensure_tables
from workers.loader.target import TargetTable
from workers.outages import PASSING, STEP_TIMEOUT, final_retries, step_retries
from workers.payload import decode, decoded_size
from workers.secrets import resolve_secrets

_leases = load("leases")
_checkpoints = load("checkpoints")
_pauses = load("pauses")
_runs = load("runs")

log = structlog.get_logger()

PROGRESS_INTERVAL = 1.0
"""Seconds between two looks that screens get at an open run."""


class Execution:
    """One claimed run in the hands of one worker."""

    def __init__(self, pool: Pool, worker_id: int, run: ClaimedRun) -> None:
        self._pool = pool
        self._worker_id = worker_id
        self._run = run
        self._budget = ByteBudget()
        self._giving_way = False
        self._extracting: asyncio.Task[None] | None = None
        self._ended_lanes: set[str] = set()
        self._progress_at = 0.0

    @property
    def run(self) -> ClaimedRun:
        """The run and the lease under which it is carried out."""
        return self._run

    def give_way(self) -> None:
        """Finish the batch in hand, then give the run back to the queue."""
        self._giving_way = True
        if self._extracting:
            self._extracting.cancel()

    async def carry_out(self) -> None:
        """Raises nothing but cancellation: what happens is written to the run, or the run is given back."""
        with structlog.contextvars.bound_contextvars(
            run=self._run.id, job=f"{self._run.tenant}/{self._run.job_name}"
        ):
            log.info("run claimed", trigger=self._run.trigger, lease=self._run.lease)
            try:
                end = await self._attempt()
            except Fenced as fenced:
                log.warning("fenced: nothing more is written", reason=str(fenced))
                await final_retries.on(PASSING)(self._let_go)
                return
            except RateLimited as error:
                end = ExtractEnd(error.kind, str(error), until=error.until)
            except SourceError as error:
                end = ExtractEnd(error.kind, str(error))
            except PASSING as error:
                why = str(error) or type(error).__name__
                message = f"the database could not be used for {STEP_TIMEOUT:g} s: {why}"
                log.warning("run failed", error=message)
                end = ExtractEnd(ErrorKind.TRANSIENT, message)
            except Exception as error:
                log.exception("run failed unexpectedly")
                end = ExtractEnd(ErrorKind.INTERNAL, f"{type(error).__name__}: {error}")
            await self._end(end)

    async def _attempt(self) -> ExtractEnd | None:
        """How the run ended; None when it is to be given back to the queue."""
        connector = self._connector()
        extractor = Extractor(self._pool, self._run, self._worker_id, connector)
        leftovers = await step_retries.on(PASSING)(self._take_up, extractor)
        streams = await ask(connector.discover(extractor.context))
        tables = await step_retries.on(PASSING)(self._ensure_tables, streams)
        loader = Loader(self._pool, self._run, connector, tables)

        for stored in leftovers:
            if self._giving_way:
                return None
            batch = await step_retries.on(PASSING)(self._read, stored)
            await self._budget.take(batch.size)
            await self._load(loader, batch)
        if self._run.extract_done or self._ended_lanes:
            return ExtractEnd()
        try:
            await self._extract_and_load(extractor, loader)
        except ExceptionGroup as group:
            raise next((e for e in group.exceptions if isinstance(e, Fenced)), group.exceptions[0]) from group
        return extractor.end

    async def _extract_and_load(self, extractor: Extractor, loader: Loader) -> None:
        stored: asyncio.Queue[Batch | None] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            self._extracting = group.create_task(self._extract(extractor, stored), name="extract")
            # Not in its `finally`: a task cancelled before its first step never gets there.
            self._extracting.add_done_callback(lambda _: stored.put_nowait(None))
            if self._giving_way:
                self._extracting.cancel()
            while (batch := await stored.get()) is not None and not self._giving_way:
                await self._load(loader, batch, extractor)

    async def _ensure_tables(self, streams: Sequence[Stream]) -> dict[str, TargetTable]:
        async with self._pool.acquire() as conn:
            return await ensure_tables(
                conn,
                job_id=self._run.job_id,
                tenant=self._run.tenant,
                integration=self._run.integration or self._run.job_name,
                schema=None,
                streams=streams,
                run_id=self._run.id,
            )

    def _connector(self) -> Connector:
        run = self._run
        if run.integration_type is None or run.config is None:
            raise Permanent(
                f"{run.tenant}/{run.job_name} has no integration; `etl-tui jobs settings` gives it one"
            )
        try:
            kind = find_connector(run.integration_type)
            config = kind.Config.model_validate(resolve_secrets(run.config, secret_fields(kind.Config)))
        except ValidationError as error:
            raise Permanent(f"config of integration {run.integration}: {describe(error)}") from None
        except InvalidInput as error:
            raise Permanent(str(error)) from None
        return build(kind, config)

    async def _take_up(self, extractor: Extractor) -> list[asyncpg.Record]:
        """The unloaded batches of an earlier holder, now ours; extract goes on behind the last of them."""
        run = self._run
        if run.lease == 1:  # nobody had it before: there are no batches, and each store looks at the lease
            extractor.start_from(await self._checkpoint(self._pool), 0)
            return []
        async with self._pool.acquire() as conn, conn.transaction():
            if (
                await _leases.lock_leased_run(conn, run_id=run.id, lease=run.lease, worker_id=self._worker_id)
                is None
            ):
                raise Fenced(f"run {run.id} belongs to another worker now")
            checkpoint = await self._checkpoint(conn)
            leftovers = [
                row async for row in _leases.adopt_batches(conn, run_id=run.id, worker_id=self._worker_id)
            ]
            for row in leftovers:
                for f in row["fragments"]:
                    checkpoint[f["stream"], f["partition"]] = PartitionState(f["bookmark"], f["resume"])
            extractor.start_from(checkpoint, await _leases.last_seq(conn, run_id=run.id))
        if leftovers:
            log.info("batches of an earlier holder taken up", batches=len(leftovers))
        return leftovers

    async def _checkpoint(self, conn: Connection | Pool) -> dict[tuple[str, str], PartitionState]:
        return {
            (row["stream"], row["partition"]): PartitionState(row["bookmark"], row["resume"])
            async for row in _checkpoints.list_checkpoints(conn, job_id=self._run.job_id)
        }

    async def _read(self, stored: asyncpg.Record) -> Batch:
        """A stored batch with its records."""
        payload = await _leases.read_payload(self._pool, run_id=self._run.id, seq=stored["seq"])
        if payload is None:
            raise Fenced(f"batch {stored['seq']} of run {self._run.id} is no longer ours to load")
        return Batch(
            run_id=self._run.id,
            seq=stored["seq"],
            lane=stored["lane"],
            lease=stored["lease"],
            size=decoded_size(payload),
            fragments=stored["fragments"],
            stored_at=stored["stored_at"],
            records=await asyncio.to_thread(decode, payload),
        )

    async def _extract(self, extractor: Extractor, stored: asyncio.Queue[Batch | None]) -> None:
        async with aclosing(extractor.batches()) as batches:
            async for batch in batches:
                await self._budget.take(batch.size)
                stored.put_nowait(batch)

    async def _load(self, loader: Loader, batch: Batch, extractor: Extractor | None = None) -> None:
        try:
            if batch.lane not in self._ended_lanes:
                await loader.load(batch)
        except CannotLoad as error:
            log.error("batch set aside", seq=batch.seq, error=str(error))
            await step_retries.on(PASSING)(self._set_aside, batch, str(error))
            self._ended_lanes.add(batch.lane)
            if self._extracting:
                self._extracting.cancel()
        finally:
            await self._budget.give_back(batch.size)
        await self._write_progress(extractor)

    async def _set_aside(self, batch: Batch, error: str) -> None:
        async with self._pool.acquire() as conn, conn.transaction():
            if (
                await _leases.lock_leased_batch(
                    conn, run_id=batch.run_id, seq=batch.seq, lease=batch.lease, worker_id=self._worker_id
                )
                is None
            ):
                raise Fenced(f"batch {batch.seq} of run {batch.run_id} belongs to another worker now")
            await _leases.set_aside(conn, run_id=batch.run_id, seq=batch.seq, error=error)
            await _leases.discard_lane(conn, run_id=batch.run_id, lane=batch.lane)

    async def _write_progress(self, extractor: Extractor | None) -> None:
        now = time.monotonic()
        if now - self._progress_at < PROGRESS_INTERVAL:
            return
        self._progress_at = now
        expected = extractor.rows_expected if extractor else None
        try:
            await _leases.write_progress(
                self._pool, run_id=self._run.id, lease=self._run.lease, rows_expected=expected
            )
        except PASSING:
            log.debug("progress not written")

    async def _end(self, end: ExtractEnd | None) -> None:
        try:
            await final_retries.on(PASSING)(self._write_end, end)
        except Fenced as fenced:
            log.warning("fenced: nothing more is written", reason=str(fenced))

    async def _write_end(self, end: ExtractEnd | None) -> None:
        try:
            outcome = await self._write_end_and_settle(end)
        except asyncpg.PostgresError as error:
            if not isinstance(error, PASSING):  # it cannot be settled: that extract is done still counts
                await self._write_end_and_settle(end, settle=False)
            raise
        if outcome:
            log.info("run ended", **{key: value for key, value in asdict(outcome).items() if value})
        else:
            await self._let_go()
            log.info("run given back", wait_reason=end.message if end else None)

    async def _write_end_and_settle(self, end: ExtractEnd | None, *, settle: bool = True) -> Outcome | None:
        """In one transaction; without settling, the run stays open for the sweep."""
        run = self._run
        async with self._pool.acquire() as conn, conn.transaction():
            job = await _leases.lock_job_of_run(conn, run_id=run.id)
            if (
                await _leases.lock_leased_run(conn, run_id=run.id, lease=run.lease, worker_id=self._worker_id)
                is None
            ):
                raise Fenced(f"run {run.id} has ended or belongs to another worker now")
            if end is not None and isinstance(end.until, timedelta):
                end = replace(end, until=await _runs.read_clock(conn) + end.until)
            await self._write_end_locked(conn, end)
            if end is not None and end.until is not None:
                await cut_version(conn, job, run.id, actor=f"worker {self._worker_id}")
                # The limit is the credential's: other runs of the integration wait too, not each in turn.
                await _pauses.park_integration(conn, job_id=run.job_id, until=end.until, reason=end.message)
            if not settle:
                return None
            return await settle_locked(conn, job, run.id, actor=f"worker {self._worker_id}")

    async def _let_go(self) -> None:
        """Queues the run again if it is still ours: nobody else would, for we are alive.

        It is when the database lost commits that it had confirmed (a failover to a replica that was behind):
        batches that we loaded are unloaded again, and whoever takes the run up loads them in order.
        """
        if await give_back(self._pool, self._run.id, self._run.lease, self._worker_id):
            log.warning("batches are not loaded although they were: the run is queued again")

    async def _write_end_locked(self, conn: Connection, end: ExtractEnd | None) -> None:
        run_id = self._run.id
        waits = end is not None and end.until is not None
        message = _storable(end.message) if end and end.message else None
        if self._ended_lanes:
            # A lane has ended: the run fails by its batch that was set aside. What is left is read again.
            await _leases.discard_batches(conn, run_id=run_id)
            await _leases.end_extract(conn, run_id=run_id)
        elif end is not None and end.error_kind is not None and not waits:
            await _leases.fail_run(conn, run_id=run_id, error_kind=end.error_kind, error_message=message)
            if not self._giving_way:
                await _leases.discard_batches(conn, run_id=run_id)
        elif end is not None and not waits:
            await _leases.end_extract(conn, run_id=run_id)
        if end is None or waits or self._giving_way:
            # Batches that wait are loaded by whoever takes the run up; if none do, it settles all the same.
            await _leases.release_run(
                conn,
                run_id=run_id,
                ready_at=end.until if end else None,
                wait_reason=message if waits else None,
                losses=0,
            )


async def give_back(pool: Pool, run_id: int, lease: int, worker_id: int) -> bool:
    """Queues a run again if this worker holds it under this lease; whether it did."""
    async with pool.acquire() as conn, conn.transaction():
        await _leases.lock_job_of_run(conn, run_id=run_id)
        held = await _leases.lock_leased_run(conn, run_id=run_id, lease=lease, worker_id=worker_id)
        if held is None:
            return False
        await _leases.release_run(conn, run_id=run_id, ready_at=None, wait_reason=None, losses=0)
        return True


def _storable(message: str) -> str:
    """What Postgres refuses in a text as escapes: a run whose end it refuses would never end."""
    return message.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
