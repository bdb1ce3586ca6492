"""Carries out one run: extracts, and loads what it may carry on, until it settles, waits, or is given back.

The next page is extracted while the one before is loaded. What is extracted but not loaded stands in the
database, so that whoever takes the run over goes on from the last stored batch. What cannot be carried on
waits in its stage's queue (`workers.batch_work`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import aclosing

import asyncpg
import structlog

from etl_core.broker.protocol import Stage
from etl_core.connector import Budgets
from etl_core.errors import ErrorKind, Fenced, RateLimited, SourceError
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.run_log import heard_by
from etl_core.secret_values import mask
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from workers.batch import Batch
from workers.byte_budget import MOST_UNLOADED_BYTES, ByteBudget
from workers.clean_ends import CleanEnds
from workers.extract import ExtractEnd, Extractor
from workers.load import CannotLoad
from workers.milestones import BatchLines
from workers.outages import PASSING, STEP_TIMEOUT, final_retries, step_retries
from workers.own_checkpoint import OwnCheckpoint
from workers.payload import RECORDS, decode, decoded_size
from workers.progress import Progress
from workers.replay import replaying
from workers.rings import Rings
from workers.run_checkpoint import read_checkpoint
from workers.run_connector import connector_for
from workers.run_end import give_back, write_end
from workers.run_loader import RunLoader
from workers.run_log import RunLogs
from workers.set_aside import set_batch_aside
from workers.transform import TypedRows
from workers.work import Held

_leases = load("leases")

log = structlog.get_logger()

GIVE_WAY_AFTER = 60.0
"""Seconds after which a run that moved gives its slot to others that wait for one."""
OTHERS_PATIENCE = 5.0
"""Seconds that others wait before a run gives way to them, and between two looks whether any do."""
UNLOADED_INTERVAL = 0.5
"""Seconds between two looks whether others have loaded enough of a run for its extract to go on."""


class Execution:
    """One claimed run in the hands of one worker."""

    def __init__(
        self,
        pool: Pool,
        worker_id: int,
        run: ClaimedRun,
        *,
        carries: bool = True,
        rings: Rings | None = None,
        progress: Progress | None = None,
        ends: CleanEnds | None = None,
        budgets: Budgets | None = None,
        logs: RunLogs | None = None,
    ) -> None:
        """`carries`: the worker transforms and loads, too. `rings` wake others for what is not carried.

        `progress`, `ends`, `budgets` and `logs` are shared by the runs of a worker.
        """
        self._budgets = budgets
        self._logs = logs or RunLogs(pool)
        self._progress = progress or Progress(pool)
        self._ends = ends
        self._pool = pool
        self._worker_id = worker_id
        self._run = run
        self._carries = carries
        self._rings = rings
        self._budget = ByteBudget()
        self._giving_way = False
        self._extracting: asyncio.Task[None] | None = None
        self._own: OwnCheckpoint | None = None
        self._in_hand: Held | None = None
        self._loaded = BatchLines("batch loaded")
        self._counts: Counter[str] = Counter()
        self._ended_lanes: set[str] = set()
        self._all_lanes_ended = False
        self._load_failed = False
        self._waiting_bytes = 0
        self._began_at = time.monotonic()
        self._looked_for_others_at = self._began_at

    @property
    def run(self) -> ClaimedRun:
        """The run and the lease under which it is carried out."""
        return self._run

    @property
    def holds(self) -> Collection[Held]:
        """The run, and the batch that is worked on alone after a loss."""
        run = Held(self._run.id, 0, self._run.lease)
        return (run,) if self._in_hand is None else (run, self._in_hand)

    def give_way(self) -> None:
        """Finish the batch in hand, then give the run back to the queue."""
        self._giving_way = True
        if self._extracting:
            self._extracting.cancel()

    async def carry_out(self) -> None:
        """Raises nothing but cancellation: what happens is written to the run, or the run is given back."""
        with (
            structlog.contextvars.bound_contextvars(
                run=self._run.id, job=f"{self._run.tenant}/{self._run.job_name}"
            ),
            heard_by(self._logs.of(self._run.id)),
        ):
            try:
                await self._carry_out()
            finally:
                await self._logs.close(self._run.id)

    async def _carry_out(self) -> None:
        log.info("run claimed", trigger=self._run.trigger, lease=self._run.lease, worker=self._worker_id)
        try:
            try:
                end = await self._attempt()
            finally:
                self._loaded.end()
                await self._logs.settle(self._run.id)
        except Fenced as fenced:
            log.warning("fenced: nothing more is written", reason=str(fenced))
            await final_retries.on(PASSING)(self._let_go)
            return
        except RateLimited as error:
            end = ExtractEnd(error.kind, str(error), until=error.until)
        except SourceError as error:
            end = ExtractEnd(error.kind, str(error))
        except PASSING as error:
            why = mask(str(error)) or type(error).__name__
            message = f"the database could not be used for {STEP_TIMEOUT:g} s: {why}"
            log.warning("run failed", error=message)
            end = ExtractEnd(ErrorKind.TRANSIENT, message)
        except Exception as error:
            log.exception("run failed unexpectedly")
            end = ExtractEnd(ErrorKind.INTERNAL, mask(f"{type(error).__name__}: {error}"))
        if end is not None and end.error_kind is not None:
            log.warning("extract stopped", kind=end.error_kind.value, error=end.message, until=end.until)
        await self._leave(end)

    async def _attempt(self) -> ExtractEnd | None:
        """How the run ended; None when it is to be given back to the queue."""
        run = self._run
        connector = connector_for(
            run.integration_type,
            run.config,
            named=run.integration or "",
            job=f"{run.tenant}/{run.job_name}",
            with_secrets=True,
        )
        own = self._own = OwnCheckpoint.of(run.options, connector)
        connector = replaying(self._pool, run, self._worker_id, connector)
        extractor = Extractor(
            self._pool,
            run,
            self._worker_id,
            connector,
            carries=self._carries,
            budgets=self._budgets,
            run_log=self._logs.of(run.id, by_connector=True),
            own=own,
        )
        leftovers = await step_retries.on(PASSING)(self._take_up, extractor)
        streams = await extractor.discover()
        log.info("streams", count=len(streams), names=[stream.name for stream in streams[:10]])
        loader = RunLoader(self._pool, run, connector, streams)
        if self._carries and not extractor.context.checkpoint and run.tables < len(streams):
            await loader.ensure_tables()  # also when the first run finds nothing: people look for the table

        is_careful = run.losses > 0 or any(stored["attempts"] for stored in leftovers)
        for stored in leftovers:
            if self._giving_way:
                return None
            if stored["lane"] in self._ended_lanes:
                continue
            if is_careful:
                await self._take_in_hand(stored)
            batch = await step_retries.on(PASSING)(self._read, stored)
            await self._budget.take(batch.size)
            await self._load(loader, batch)
            self._in_hand = None
        if run.extract_done or self._all_lanes_ended:
            return ExtractEnd()
        try:
            await self._extract_and_load(extractor, loader)
        except ExceptionGroup as group:
            raise next((e for e in group.exceptions if isinstance(e, Fenced)), group.exceptions[0]) from group
        return ExtractEnd() if self._all_lanes_ended else extractor.end

    async def _extract_and_load(self, extractor: Extractor, loader: RunLoader) -> None:
        stored: asyncio.Queue[Batch | None] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            self._extracting = group.create_task(self._extract(extractor, loader, stored), name="extract")
            # Not in its `finally`: a task cancelled before its first step never gets there.
            self._extracting.add_done_callback(lambda _: stored.put_nowait(None))
            if self._giving_way:
                self._extracting.cancel()
            await self._load_stored(loader, stored)

    async def _load_stored(self, loader: RunLoader, stored: asyncio.Queue[Batch | None]) -> None:
        """Loads one batch after another, and makes rows of the next one while PostgreSQL merges."""
        ahead = asyncio.create_task(self._next(loader, stored))
        try:
            while (made := await ahead) is not None and not self._giving_way:
                ahead = asyncio.create_task(self._next(loader, stored))
                await self._load(loader, *made)
                del made  # here and in what follows: a page must be gone while the next one is made
        finally:
            ahead.cancel()
            await asyncio.wait({ahead})

    async def _next(
        self, loader: RunLoader, stored: asyncio.Queue[Batch | None]
    ) -> tuple[Batch, list[TypedRows] | None] | None:
        """The next batch, with its rows if they can be made already; None: there is none."""
        batch = await stored.get()
        return None if batch is None else (batch, await loader.transform_ahead(batch))

    async def _take_up(self, extractor: Extractor) -> list[asyncpg.Record]:
        """The unloaded batches of an earlier holder, now ours; extract goes on behind the last one stored."""
        run = self._run
        if run.lease == 1:  # nobody had it before: there are no batches, and each store looks at the lease
            checkpoint = await read_checkpoint(self._pool, run, extractor.connector, self._own)
            extractor.start_from(checkpoint, 0, await self._only(self._pool))
            return []
        async with self._pool.acquire() as conn, conn.transaction():
            if (
                await _leases.lock_leased_run(conn, run_id=run.id, lease=run.lease, worker_id=self._worker_id)
                is None
            ):
                raise Fenced(f"run {run.id} belongs to another worker now")
            unloaded = [row async for row in _leases.list_unloaded_fragments(conn, run_id=run.id)]
            checkpoint = await read_checkpoint(conn, run, extractor.connector, self._own, unloaded)
            last_seq = await _leases.last_seq(conn, run_id=run.id)
            extractor.start_from(checkpoint, last_seq, await self._only(conn))
            self._all_lanes_ended = await _leases.has_every_lane_ended(conn, run_id=run.id)
            if not self._carries:
                return []
            leftovers = [
                row
                async for row in _leases.adopt_batches(
                    conn, run_id=run.id, worker_id=self._worker_id, formats=RECORDS
                )
            ]
        if leftovers:
            log.info("batches of an earlier holder taken up", batches=len(leftovers))
        return leftovers

    async def _only(self, conn: Connection | Pool) -> frozenset[tuple[str, str]] | None:
        """The partitions that a retry has to do; None: all."""
        if self._run.trigger != "retry":
            return None
        undone = [
            (row["stream"], row["partition"])
            async for row in _leases.begin_partial_run(conn, run_id=self._run.id)
        ]
        return frozenset(undone) or None

    async def _take_in_hand(self, stored: asyncpg.Record) -> None:
        """After a loss: from now on another one is charged to this batch alone."""
        self._in_hand = Held(self._run.id, stored["seq"], stored["lease"])
        taken = await step_retries.on(PASSING)(
            _leases.take_in_hand, self._pool, worker_id=self._worker_id, **self._in_hand._asdict()
        )
        if taken is None:
            raise Fenced(f"batch {stored['seq']} of run {self._run.id} is no longer ours to load")

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

    async def _extract(
        self, extractor: Extractor, loader: RunLoader, stored: asyncio.Queue[Batch | None]
    ) -> None:
        async with aclosing(extractor.batches()) as batches:
            async for batch in batches:
                rows = {stream: len(records) for stream, records in batch.records.items()}
                self._progress.add(self._run.id, Stage.EXTRACT, rows, batch.size)
                if extractor.rows_expected is not None:
                    self._progress.expect(self._run.id, extractor.rows_expected)
                may_give_way = batch.may_give_way
                if batch.is_carried:
                    await self._budget.take(batch.size)
                    stored.put_nowait(batch)
                    before_the_next = self._budget.room_for(batch.size)
                else:
                    before_the_next = self._pass_on(batch.stored_bytes)
                del batch
                await before_the_next
                await loader.copying.wait()
                if may_give_way and await self._others_wait():
                    log.info("gives way: others wait for a slot")
                    self._giving_way = True
                    return

    async def _pass_on(self, stored_bytes: int) -> None:
        """Others take it from here; extract waits while they have more than a run's share before them."""
        if self._rings:
            self._rings.ring(Stage.TRANSFORM)
        self._waiting_bytes += stored_bytes
        while self._waiting_bytes > MOST_UNLOADED_BYTES:
            unloaded = await _leases.count_unloaded(self._pool, run_id=self._run.id)
            self._waiting_bytes = unloaded["bytes"]
            if unloaded["batches"] <= 1:
                return
            if self._waiting_bytes > MOST_UNLOADED_BYTES:
                await asyncio.sleep(UNLOADED_INTERVAL)

    async def _others_wait(self) -> bool:
        """Looked at now and then, once this run has had its time."""
        now = time.monotonic()
        if now - self._began_at < GIVE_WAY_AFTER or now - self._looked_for_others_at < OTHERS_PATIENCE:
            return False
        self._looked_for_others_at = now
        return bool(await _leases.others_wait(self._pool, than_seconds=OTHERS_PATIENCE))

    async def _load(self, loader: RunLoader, batch: Batch, typed: Sequence[TypedRows] | None = None) -> None:
        try:
            if batch.lane not in self._ended_lanes:  # the next one was extracted meanwhile
                counts = await loader.load(batch, typed)
                self._counts.update(counts)
                self._loaded.add(batch.seq, counts)
        except CannotLoad as error:
            log.error("batch set aside", seq=batch.seq, error=str(error))
            await step_retries.on(PASSING)(self._set_aside, batch, str(error))
            if self._all_lanes_ended and self._extracting:
                self._extracting.cancel()
        except Exception:
            self._load_failed = True
            raise
        else:
            rows = {stream: len(records) for stream, records in batch.records.items()}
            self._progress.add(batch.run_id, Stage.TRANSFORM, rows, batch.size)
            self._progress.add(batch.run_id, Stage.LOAD, rows, batch.size)
        finally:
            await self._budget.give_back(batch.size)

    async def _set_aside(self, batch: Batch, error: str) -> None:
        async with self._pool.acquire() as conn:
            await set_batch_aside(conn, Held(batch.run_id, batch.seq, batch.lease), self._worker_id, error)
            self._all_lanes_ended = await _leases.has_every_lane_ended(conn, run_id=batch.run_id)
        self._ended_lanes.add(batch.lane)

    async def _leave(self, end: ExtractEnd | None) -> None:
        try:
            await final_retries.on(PASSING)(
                write_end,
                self._pool,
                self._run,
                self._worker_id,
                end,
                discard=self._load_failed and not self._giving_way,
                ends=self._ends,
                logs=self._logs,
                counts=self._counts if self._run.lease == 1 and not self._waiting_bytes else None,
            )
        except Fenced as fenced:
            log.warning("fenced: nothing more is written", reason=str(fenced))

    async def _let_go(self) -> None:
        """Queues the run again if it is still ours: nobody else would, for we are alive.

        It is when the database lost commits that it had confirmed (a failover to a replica that was behind):
        batches that we loaded are unloaded again, and whoever takes the run up loads them in order.
        """
        if await give_back(self._pool, self._run.id, self._run.lease, self._worker_id):
            log.warning("batches are not loaded although they were: the run is queued again")
