"""Carries one waiting batch through the stages that this worker serves: transform, load, or both.

Any worker may: the payload is in the database. A worker that transforms and does not load replaces it by
typed rows; one that loads needs no connector for those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import structlog

from etl_core.broker.protocol import Stage
from etl_core.connector import Stream
from etl_core.errors import ErrorKind, Fenced, Permanent, SourceError
from etl_core.lifecycle.settle import settle_after_commit, settle_locked
from etl_core.run_log import heard_by
from etl_core.secret_values import mask
from etl_core.store.database import Pool
from etl_core.store.queries import load
from workers.batch import Batch
from workers.byte_budget import ByteBudget
from workers.load import CannotLoad
from workers.loader import destination
from workers.loader.rejects import store_rejects
from workers.milestones import tell_rejects
from workers.outages import PASSING, final_retries, step_retries
from workers.payload import READABLE, TYPED, decode, decoded_size
from workers.progress import Progress
from workers.rings import Rings
from workers.run_connector import connector_for
from workers.run_loader import RunLoader
from workers.run_log import RunLogs
from workers.set_aside import leave_not_landed, set_batch_aside
from workers.transform import Reject, TypedRows
from workers.typed_payload import decode_typed, encode_typed
from workers.work import Held

_leases = load("leases")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """A batch in this worker's hands, and what must be known of its run."""

    run_id: int
    seq: int
    lane: str
    lease: int
    stage: str
    attempts: int
    fragments: Sequence[dict[str, Any]]
    stored_at: datetime
    lands_in: str | None
    """Another database that it may be in already."""
    is_asked: bool
    """It is not loaded any more; whether it was, that database is asked."""
    error: str | None
    """For which it is set aside if not."""
    job_id: int
    job_name: str
    tenant: str
    integration: str | None
    integration_type: str | None
    config: dict[str, Any] | None
    streams: list[Any] | None
    options: dict[str, Any]
    worker_id: int
    size: int
    """Bytes of its records as JSON, or of its rows, uncompressed."""

    @property
    def id(self) -> int:
        return self.run_id


async def claim_batch(
    pool: Pool, worker_id: int, stages: Collection[Stage], *, suspects: bool
) -> ClaimedBatch | None:
    """The best batch that this worker may take. `suspects`: also one that cost a worker before."""
    wanted = [stage for stage in (Stage.TRANSFORM, Stage.LOAD) if stage in stages]
    row = await _leases.claim_batch(
        pool,
        worker_id=worker_id,
        stages=wanted,
        formats=READABLE,
        loads=Stage.LOAD in stages,
        suspects=suspects,
    )
    if row is None:
        return None
    fields = {
        name: row[name] for name in ClaimedBatch.__dataclass_fields__ if name not in ("worker_id", "size")
    }
    return ClaimedBatch(**fields, worker_id=worker_id, size=decoded_size(row["beginning"]))


class BatchWork:
    """One claimed batch in the hands of one worker."""

    def __init__(
        self,
        pool: Pool,
        batch: ClaimedBatch,
        stages: Collection[Stage],
        rings: Rings,
        progress: Progress | None = None,
        *,
        budget: ByteBudget | None = None,
        logs: RunLogs | None = None,
    ) -> None:
        """`budget` is what all batches in the hands of this worker may take of its memory.

        `logs` are those of this worker.
        """
        self._logs = logs or RunLogs(pool)
        self._budget = budget or ByteBudget()
        self._progress = progress or Progress(pool)
        self._pool = pool
        self._batch = batch
        self._loads = Stage.LOAD in stages
        self._is_done = False
        self._has_landed = False
        self._rings = rings

    @property
    def holds(self) -> Collection[Held]:
        """Nothing once it is loaded or passed on: what is left is to settle the run."""
        return () if self._is_done else (self._held,)

    @property
    def is_suspect(self) -> bool:
        """It cost a worker before: it is worked on alone, so that the next loss is surely its own."""
        return self._batch.attempts > 0

    def give_way(self) -> None:
        """A batch is finished: it is the smallest piece of work."""

    async def carry_out(self) -> None:
        """Raises nothing but cancellation."""
        batch = self._batch
        with (
            structlog.contextvars.bound_contextvars(
                run=batch.run_id, seq=batch.seq, job=f"{batch.tenant}/{batch.job_name}"
            ),
            heard_by(self._logs.of(batch.run_id)),
        ):
            await self._budget.take(batch.size)
            try:
                await self._carry_on()
            except Fenced as fenced:
                log.warning("fenced: nothing more is written", reason=str(fenced))
            except CannotLoad as error:
                log.error("batch set aside", error=str(error))
                await self._write(self._set_aside, str(error))
            except SourceError as error:
                await self._failed(error.kind, str(error))
            except PASSING as error:
                log.warning("batch returned", error=str(error) or type(error).__name__)
                await self._write(self._return)
            except Exception as error:
                log.exception("batch failed unexpectedly")
                await self._failed(ErrorKind.INTERNAL, mask(f"{type(error).__name__}: {error}"))
            finally:
                await self._budget.give_back(batch.size)
                await self._logs.close(batch.run_id)

    async def _failed(self, kind: ErrorKind, message: str) -> None:
        log.error("run failed by this batch", error=message)
        if not self._batch.is_asked:
            await self._write(self._fail_run, kind, message)
        elif self._has_landed:
            await self._write(
                self._set_aside, f"it is in its destination, but the checkpoint stays: {message}"
            )
        else:  # nobody could say yet
            await self._write(self._return)

    async def _write(self, write: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        try:
            await final_retries.on(PASSING)(write, *arguments)
        except Fenced as fenced:
            log.warning("fenced: nothing more is written", reason=str(fenced))

    async def _carry_on(self) -> None:
        may_be_there = self._batch.is_asked
        if may_be_there and not await step_retries.on((*PASSING, SourceError))(self._is_to_be_loaded):
            await self._settle()
            return
        carried, typed = await self._read()
        if typed is not None:
            # All streams of the run: the last page of a walk may be empty.
            loader = RunLoader(self._pool, self._batch, None, self._streams())
            self._tell_loaded(await loader.load_rows(carried, typed))
            await self._end_load({each.stream.name: len(each) + each.folded for each in typed}, carried.size)
            return
        loader = self._loader()
        rows, size = {stream: len(records) for stream, records in carried.records.items()}, carried.size
        if self._loads:
            self._tell_loaded(await loader.load(carried))
            self._count(Stage.TRANSFORM, rows, size)
            await self._end_load(rows, size)
            return
        typed = await (await loader.ensure_tables()).transform(carried)
        del carried  # as the payload in `_read`: a page may be large, and is not needed in two forms
        await self._pass_on(typed)
        log.info("batch transformed", worker=self._batch.worker_id, rows=sum(rows.values()))
        self._count(Stage.TRANSFORM, rows, size)

    async def _is_to_be_loaded(self) -> bool:
        """Asks the destination: what is there already is loaded, for it only needs to be settled here."""
        lands_in, held = self._batch.lands_in, self._held._asdict()
        async with self._pool.acquire() as conn:
            async with conn.transaction():
                holds = await _leases.lock_held_batch(conn, worker_id=self._batch.worker_id, **held)
                if holds is None or lands_in is None:
                    raise Fenced(f"batch {self._batch.seq} of run {self._batch.run_id} is no longer ours")
                self._has_landed = await destination.has_landed(lands_in, conn, **held)
            log.info("destination asked for a batch", has_landed=self._has_landed)
            self._is_done = not self._has_landed and not await leave_not_landed(
                conn, self._held, self._batch.worker_id, self._batch.error
            )
        return not self._is_done

    async def _read(self) -> tuple[Batch, list[TypedRows] | None]:
        """The batch with its records; or without any, and the rows that another worker made of them."""
        batch = self._batch
        payload = await step_retries.on(PASSING)(
            _leases.read_payload, self._pool, run_id=batch.run_id, seq=batch.seq
        )
        if payload is None:
            raise Fenced(f"batch {batch.seq} of run {batch.run_id} is no longer ours")
        if payload[:1] == TYPED:
            typed = await asyncio.to_thread(decode_typed, payload)
            return self._carried(decoded_size(payload), {}), typed
        records = await asyncio.to_thread(decode, payload)
        return self._carried(decoded_size(payload), records), None

    def _loader(self) -> RunLoader:
        """For records: with the connector that transforms them."""
        batch = self._batch
        connector = connector_for(
            batch.integration_type,
            batch.config,
            named=batch.integration or "",
            job=f"{batch.tenant}/{batch.job_name}",
            with_secrets=False,
        )
        return RunLoader(self._pool, batch, connector, self._streams())

    def _tell_loaded(self, counts: Mapping[str, int]) -> None:
        log.info(
            "batch loaded", worker=self._batch.worker_id, **{n: count for n, count in counts.items() if count}
        )

    async def _end_load(self, rows: Mapping[str, int], size: int) -> None:
        self._is_done = True
        self._count(Stage.LOAD, rows, size)
        await self._settle()

    def _streams(self) -> list[Stream]:
        if self._batch.streams is None:
            raise Permanent("the streams of this run are not known: it was stored by an older program")
        return msgspec.convert(self._batch.streams, list[Stream])

    def _count(self, stage: Stage, rows: Mapping[str, int], size: int) -> None:
        self._progress.add(self._batch.run_id, stage, rows, size)

    def _carried(self, size: int, records: Any) -> Batch:
        batch = self._batch
        return Batch(
            run_id=batch.run_id,
            seq=batch.seq,
            lane=batch.lane,
            lease=batch.lease,
            size=size,
            fragments=batch.fragments,
            stored_at=batch.stored_at,
            records=records,
        )

    async def _pass_on(self, typed: list[TypedRows]) -> None:
        rejects = [reject for rows in typed for reject in rows.rejects]
        payload = await asyncio.to_thread(encode_typed, typed)
        typed.clear()
        await step_retries.on(PASSING)(self._commit_typed, rejects, payload)
        self._is_done = True
        self._rings.ring(Stage.LOAD)

    async def _commit_typed(self, rejects: Sequence[Reject], payload: bytes) -> None:
        batch = self._batch
        async with self._pool.acquire() as conn, conn.transaction():
            passed = await _leases.pass_on_batch(
                conn,
                run_id=batch.run_id,
                seq=batch.seq,
                lease=batch.lease,
                worker_id=batch.worker_id,
                format=payload[0],
                payload=payload,
                bytes=len(payload),
                rows_rejected=len(rejects),
            )
            if passed is None:
                found = await _leases.find_batch(conn, run_id=batch.run_id, seq=batch.seq)
                if found and found["stage"] == "load" and found["lease"] == batch.lease + 1:
                    return  # an earlier try whose answer was lost has committed
                raise Fenced(f"batch {batch.seq} of run {batch.run_id} belongs to another worker now")
            if rejects:
                await store_rejects(
                    conn, job_id=batch.job_id, run_id=batch.run_id, seq=batch.seq, rejects=rejects
                )
                tell_rejects(batch.seq, [reject.reason for reject in rejects])

    async def _settle(self) -> None:
        await self._logs.flush(self._batch.run_id)
        await step_retries.on(PASSING)(self._settle_once)

    async def _settle_once(self) -> None:
        async with self._pool.acquire() as conn:
            await settle_after_commit(conn, self._batch.run_id, actor=f"worker {self._batch.worker_id}")

    async def _set_aside(self, error: str) -> None:
        async with self._pool.acquire() as conn:
            await set_batch_aside(conn, self._held, self._batch.worker_id, error)
        await self._settle()

    async def _fail_run(self, kind: ErrorKind, message: str) -> None:
        """What this batch met, every other would: the run ends, whoever extracts it is fenced."""
        run_id = self._batch.run_id
        async with self._pool.acquire() as conn, conn.transaction():
            job = await _leases.lock_job_of_run(conn, run_id=run_id)
            await _leases.lock_run(conn, run_id=run_id)
            held = await _leases.lock_held_batch(
                conn, worker_id=self._batch.worker_id, **self._held._asdict()
            )
            if held is None:
                raise Fenced(f"batch {self._batch.seq} of run {run_id} belongs to another worker now")
            await _leases.discard_batches(conn, run_id=run_id)
            await _leases.fail_run(conn, run_id=run_id, error_kind=kind, error_message=message)
            await _leases.release_run(conn, run_id=run_id, ready_at=None, wait_reason=None, losses=0)
            await settle_locked(conn, job, run_id, actor=f"worker {self._batch.worker_id}")

    async def _return(self) -> None:
        await _leases.return_batch(self._pool, worker_id=self._batch.worker_id, **self._held._asdict())

    @property
    def _held(self) -> Held:
        return Held(self._batch.run_id, self._batch.seq, self._batch.lease)
