"""Extract: pages of a connector become stored batches, in order, each with the checkpoint that follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from etl_core.connector import Budgets, Connector, ExtractContext, Page, PartitionState, Stream
from etl_core.errors import ErrorKind, Fenced, Permanent, RateLimited, SourceError, Transient
from etl_core.lifecycle.claim import ClaimedRun
from etl_core.run_log import RunLog, Unheard
from etl_core.secret_values import holds_secret
from etl_core.store.database import Connection, Pool
from etl_core.store.queries import load
from workers.batch import FEW_RECORDS, Batch
from workers.budget import PostgresBudgets
from workers.checkpoint_form import checkpoint_version
from workers.connector_calls import ask
from workers.loader.rejects import store_rejects
from workers.milestones import ExtractLines
from workers.outages import PASSING, step_retries
from workers.own_checkpoint import OwnCheckpoint
from workers.pace import Pace
from workers.payload import decoded_size, encode
from workers.transform import Reject

_leases = load("leases")

log = structlog.get_logger()

TRIES_IN_PLACE = 4
"""How often extract is begun again after transient errors without a stored page in between."""
FIRST_PAUSE = 1.0
"""Seconds before the second try; doubles with each."""
TELLING_SECRET = 8
"""Characters from which on a secret in a checkpoint is no accident: a password `test` is in `latest`, too."""


@dataclass(frozen=True, slots=True)
class ExtractEnd:
    """How extract ended: an `error_kind` of None is success; `until` (or so long from now) parks the run."""

    error_kind: ErrorKind | None = None
    message: str | None = None
    until: datetime | timedelta | None = None


def storable(message: str) -> str:
    """What Postgres refuses in a text as escapes: an end that it refuses would never be written."""
    return message.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


class Extractor:
    """Yields the batches of one run, from the last stored one on."""

    def __init__(
        self,
        pool: Pool,
        run: ClaimedRun,
        worker_id: int,
        connector: Connector,
        *,
        carries: bool = True,
        budgets: Budgets | None = None,
        run_log: RunLog | None = None,
        own: OwnCheckpoint | None = None,
    ) -> None:
        """`carries`: this worker transforms and loads, too, so it may carry its batches on.

        `own`: the run does not go on from its job's checkpoint.
        """
        self._own = own
        self._pace = Pace((own and own.rate) or 0)
        self._ledgers: frozenset[str] = frozenset()
        self._lines = ExtractLines()
        self._budgets = budgets or PostgresBudgets(pool)
        self._log = run_log or Unheard()
        self._pool = pool
        self._run = run
        self._worker_id = worker_id
        self._connector = connector
        self._carries = carries
        self._streams: Sequence[Stream] | None = None
        self._checkpoint: dict[tuple[str, str], PartitionState] = {}
        self._seq = 0
        self._only: frozenset[tuple[str, str]] | None = None
        self.end: ExtractEnd | None = None
        """Set when `batches` is exhausted."""
        self.rows_expected: int | None = None

    def start_from(
        self,
        checkpoint: dict[tuple[str, str], PartitionState],
        last_seq: int,
        only: frozenset[tuple[str, str]] | None = None,
    ) -> None:
        """Where the highest stored batch, or else the job's checkpoint, says to go on; `only` these parts."""
        self._only = only
        self._checkpoint = dict(checkpoint)
        self._seq = last_seq

    async def discover(self) -> Sequence[Stream]:
        """The connector's streams; the first batch stored keeps them for the stages behind."""
        self._streams = await ask(self._connector.discover(self.context))
        if self._own is not None:
            self._own.expect(self._streams)
            self._ledgers = frozenset(stream.name for stream in self._streams if stream.full_refresh)
        return self._streams

    @property
    def connector(self) -> Connector:
        return self._connector

    @property
    def context(self) -> ExtractContext:
        """What the connector is given: behind everything stored so far."""
        return ExtractContext(
            checkpoint=dict(self._checkpoint),
            legacy_checkpoint=None if self._own else self._run.legacy_checkpoint,
            options=self._run.options,
            only=self._only,
            backfill=self._own.backfill if self._own else None,
            budgets=self._budgets,
            log=self._log,
        )

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Stored batches, each once it is committed; afterwards `end` says how it ended.

        A page of a lane that has ended is dropped; when every lane has, extract ends.

        Raises:
            Fenced: the run belongs to another.
        """
        failures = 0
        while self.end is None:
            stored_before = self._seq
            try:
                async with aclosing(self._pages()) as pages:
                    async for page in pages:
                        batch = await self._store(page)
                        rows = sum(len(records) for records in page.records.values())
                        del page  # or it would be held until there is another
                        if batch is not None:
                            yield batch
                            del batch
                            await self._pace.wait(rows)
                        elif await _leases.has_every_lane_ended(self._pool, run_id=self._run.id):
                            break
                self.end = ExtractEnd()
            except Transient as error:
                failures = 1 if self._seq > stored_before else failures + 1
                if not error.retry_in_place or failures >= TRIES_IN_PLACE:
                    self.end = ExtractEnd(error.kind, str(error))
                else:
                    log.warning("extract broke off; trying again", error=str(error), failures=failures)
                    await asyncio.sleep(FIRST_PAUSE * 2 ** (failures - 1))
            except RateLimited as error:
                self.end = ExtractEnd(error.kind, str(error), until=error.until)
            except SourceError as error:
                self.end = ExtractEnd(error.kind, str(error))
        self._lines.end()

    async def _pages(self) -> AsyncGenerator[Page, None]:
        """The connector's pages; what it raises is a SourceError, never taken for an error of ours."""
        pages = aiter(self._connector.extract(self.context))
        try:
            while True:
                try:
                    page = await ask(anext(pages))
                except StopAsyncIteration:
                    return
                yield page
                del page
        finally:
            if isinstance(pages, AsyncGenerator):
                await pages.aclose()

    async def _store(self, page: Page) -> Batch | None:
        payload = await self._encode(page)
        seq = self._seq + 1
        fragments = [
            {
                "stream": f.stream,
                "partition": f.partition,
                "bookmark": f.bookmark,
                "resume": f.resume,
                "version": checkpoint_version(self._connector),
                **({} if f.covers is None else {"covers": msgspec.to_builtins(f.covers)}),
                **({"begins_anew": True} if f.begins_anew else {}),
            }
            for f in page.checkpoint
        ]
        if holds_secret(msgspec.json.encode(fragments).decode(), shortest=TELLING_SECRET):
            raise Permanent(
                "the checkpoint would hold a secret of the integration, and is kept and shown in clear: "
                "the connector, or the script that it runs, has to leave it out"
            )
        if page.whole_of:  # travels with the checkpoint, through all stages
            fragments[0]["whole_of"] = {stream: list(of) for stream, of in page.whole_of.items()}
        if page.deleted:
            fragments[0]["deleted"] = {stream: list(keys) for stream, keys in page.deleted.items()}
        if page.seen:
            fragments[0]["seen"] = {stream: list(keys) for stream, keys in page.seen.items()}
        kept = [f for f in fragments if self._own and self._own.keeps(f["stream"])]
        may_give_way = bool(fragments) and page.goes_on
        if self._own is not None:
            fragments = self._own.told(fragments, self._ledgers)
        stored = await step_retries.on(PASSING)(self._commit, page, seq, payload, fragments, kept)
        self._seq = seq
        self._streams = None
        self._lines.stored(seq, len(payload), page)
        if page.total is not None:
            self.rows_expected = page.total
        for f in page.checkpoint:
            self._checkpoint[f.stream, f.partition] = PartitionState(f.bookmark, f.resume)
        if stored["state"] == "DISCARDED":
            return None
        is_carried = stored["state"] == "LEASED"
        return Batch(
            self._run.id,
            seq,
            page.lane,
            stored["lease"],
            decoded_size(payload),
            fragments,
            stored["stored_at"],
            page.records,
            is_carried,
            len(payload),
            may_give_way=may_give_way,
        )

    async def _encode(self, page: Page) -> bytes:
        if sum(len(records) for records in page.records.values()) <= FEW_RECORDS:
            return encode(page.records)  # sooner done than a thread is woken
        return await asyncio.to_thread(encode, page.records)

    async def _commit(
        self,
        page: Page,
        seq: int,
        payload: bytes,
        fragments: list[dict[str, Any]],
        kept: list[dict[str, Any]],
    ) -> Any:
        async with self._pool.acquire() as conn:
            if not (page.rejects or page.failures or kept):
                return await self._commit_batch(conn, page, seq, payload, fragments) or (
                    await self._committed_before(conn, seq)
                )
            async with conn.transaction():
                stored = await self._commit_batch(conn, page, seq, payload, fragments)
                if stored is None:
                    return await self._committed_before(conn, seq)
                await self._keep_what_is_no_record(conn, page, seq)
                if kept:
                    await _leases.keep_run_checkpoint(conn, run_id=self._run.id, seq=seq, fragments=kept)
                return stored

    async def _commit_batch(
        self, conn: Connection, page: Page, seq: int, payload: bytes, fragments: list[dict[str, Any]]
    ) -> Any:
        extracted = sum(len(records) for records in page.records.values())
        return await _leases.store_batch(
            conn,
            run_id=self._run.id,
            seq=seq,
            lane=page.lane,
            lease=self._run.lease,
            worker_id=self._worker_id,
            carry=self._carries,
            bytes=len(payload),
            counts={"rows_extracted": extracted + len(page.rejects), "rows_rejected": len(page.rejects)},
            fragments=fragments,
            format=payload[0],
            payload=payload,
            streams=None if self._streams is None else msgspec.to_builtins(self._streams),
        )

    async def _committed_before(self, conn: Connection, seq: int) -> Any:
        """The batch of an earlier try whose answer was lost.

        Raises:
            Fenced: the run is another's, or the database has lost batches that it had confirmed.
        """
        run = self._run
        if not await _leases.lock_leased_run(conn, run_id=run.id, lease=run.lease, worker_id=self._worker_id):
            raise Fenced(f"run {run.id} belongs to another worker now")
        found = await _leases.find_batch(conn, run_id=run.id, seq=seq)
        if found is None:
            raise Fenced(f"run {run.id} has lost batch {seq - 1}, which was stored: it goes on before that")
        return found

    async def _keep_what_is_no_record(self, conn: Connection, page: Page, seq: int) -> None:
        if page.failures:
            await _leases.keep_failed_partitions(
                conn,
                run_id=self._run.id,
                streams=[f.stream for f in page.failures],
                partitions=[f.partition for f in page.failures],
                kinds=[f.error.kind for f in page.failures],
                messages=[storable(str(f.error)) for f in page.failures],
            )
        if page.rejects:
            rejects = [Reject.of_text(r.stream, r.payload, r.reason) for r in page.rejects]
            await store_rejects(conn, job_id=self._run.job_id, run_id=self._run.id, seq=seq, rejects=rejects)
