"""Does the next piece of vectorizing: a range of a table, in batches, each written in one transaction.

Killed at any moment nothing is lost: what was written stays, and the rest of the range is found again by
whoever takes it when its lease has run out. A provider that fails rests the stream's settings for a while
(`vector_settings.ready_at`), told in `error`; other streams go on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

import asyncpg
import structlog

from etl_core.embeddings import Embedder, Vector, open_embedder
from etl_core.errors import BadRecord, Fenced, Permanent, RateLimited, SourceError, Transient
from etl_core.store.database import OUTAGES, Connection, Pool
from etl_core.store.queries import load
from workers.vectorize import indexes, statements
from workers.vectorize.ranges import Range, take_range
from workers.vectorize.table import Bounds, Key, Settings
from workers.vectorize.tables import ensure_vectors

_vectors = load("vectors")

log = structlog.get_logger()

RANGE_ROWS: Final = 2_000
"""Rows of the destination that are looked at in one range."""
LEASE: Final = 150.0
"""Seconds for which a range is ours; renewed before every request, which takes at most 60 s."""
LONG_REST: Final = 300.0
"""Seconds after which something that a person must mend is tried again."""
PROBE: Final = "text"
"""Asked for the dimension of a model, and to tell a text that is refused from a model that refuses all."""

Outcome = Vector | str
"""A vector, or why there is none for this text."""


class Vectorizer:
    """For one task; a worker that embeds more at once has several, and each holds one connection at a time.

    A context that closes the connections to providers at its end.
    """

    def __init__(self, pool: Pool, *, range_rows: int = RANGE_ROWS, lease: float = LEASE) -> None:
        self._pool = pool
        self._range_rows = range_rows
        self._lease = lease
        self._open: dict[int, tuple[Settings, AsyncExitStack, Embedder]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, stack, _ in self._open.values():
            await stack.aclose()
        self._open.clear()

    async def run_once(self) -> bool:
        """Takes a range of the table that was looked after the longest time ago, and does it to its end.

        True: there was something to do, so ask again at once. False: nothing, until rung or polled again. May
        be cancelled at any await.

        Raises:
            OUTAGES: the database is away. Nothing else: what goes wrong otherwise is written to the settings.
        """
        async with self._pool.acquire() as conn:
            row = await _vectors.next_vectorized(conn)
        if row is None:
            return False
        settings = Settings.of(row)
        bound = structlog.contextvars.bound_contextvars(
            table=f"{row['schema_name']}.{row['table_name']}", model=settings.embedder.model
        )
        with bound:
            try:
                await self._work(row, settings)
            except Fenced as fenced:
                log.warning("fenced: nothing more is written", reason=str(fenced))
            except SourceError as error:
                await self._rest(settings, error)
            except Exception as error:
                if isinstance(error, OUTAGES) and _passes(error):
                    raise
                log.exception("vectorizing failed unexpectedly")
                await self._rest(settings, Permanent(f"unexpected {type(error).__name__}: {error}"))
        return True

    async def _work(self, row: Any, settings: Settings) -> None:
        async with self._pool.acquire() as conn:
            table = await ensure_vectors(conn, row)
        settings = await self._with_dimension(settings)
        async with self._pool.acquire() as conn:
            part = await take_range(
                conn, table, version=settings.version, rows=self._range_rows, seconds=self._lease
            )
        if part is None or settings.label is None:
            return
        try:
            await self._embed_range(part, settings, settings.label)
        except BaseException:
            # A help to others only: should it not succeed, they take the range when its lease has run out.
            with suppress(*OUTAGES, TimeoutError):
                await asyncio.shield(asyncio.wait_for(self._give_back(part), 2))
            raise

    async def _embed_range(self, part: Range, settings: Settings, label: str) -> None:
        table = part.table
        done, begins, begun = 0, part.bounds.begins, asyncio.get_running_loop().time()
        while True:
            left = Bounds(begins, part.bounds.ends)
            async with self._pool.acquire() as conn:
                sql = statements.outdated(table, left)
                rows = await conn.fetch(sql, left.begins, left.ends, label, settings.batch_size)
            if not rows:
                break
            outcomes = await self._embed(part, settings, [row["text"] for row in rows])
            async with self._pool.acquire() as conn, conn.transaction():
                await part.keep(conn, seconds=self._lease)
                await _put(conn, part, label, rows, outcomes)
            done += len(rows)
            begins = rows[-1]["key"]
            if len(rows) < settings.batch_size:
                break
        async with self._pool.acquire() as conn:
            ended = await part.finish(conn)
            if done:
                await _vectors.vectors_work_again(conn, settings_id=settings.id, version=settings.version)
                seconds = round(asyncio.get_running_loop().time() - begun, 3)
                log.info("vectorized", rows=done, range=part.number, seconds=seconds)
            if ended and settings.embedder.dimension is not None:
                await indexes.fit_indexes(conn, table, label, settings.embedder.dimension)

    async def _embed(self, part: Range, settings: Settings, texts: Sequence[str]) -> list[Outcome]:
        """Halves what is refused until the texts are found that are refused for themselves."""
        async with self._pool.acquire() as conn:
            await part.keep(conn, seconds=self._lease)
        embedder = await self._embedder(settings)
        try:
            vectors = await embedder.embed(texts)
        except BadRecord as refusal:
            if len(texts) > 1:
                half = len(texts) // 2
                return [
                    *await self._embed(part, settings, texts[:half]),
                    *await self._embed(part, settings, texts[half:]),
                ]
            await self._probe(settings)
            log.warning("text refused", reason=str(refusal))
            return [str(refusal)]
        # A vector without a direction is like nothing, and cannot be compared.
        return [vector if any(vector) else "the model gave a vector of zeros" for vector in vectors]

    async def _probe(self, settings: Settings) -> Vector:
        """A vector of a harmless text.

        Raises:
            Permanent: that is refused, too: it is not for a text's sake.
        """
        try:
            return (await (await self._embedder(settings)).embed([PROBE]))[0]
        except BadRecord as refusal:
            raise Permanent(f"{refusal}: the model refuses any text") from None

    async def _with_dimension(self, settings: Settings) -> Settings:
        """With the dimension of its model, which its provider is asked for the first time."""
        if settings.embedder.dimension is not None:
            return settings
        dimension = len(await self._probe(settings))
        async with self._pool.acquire() as conn:
            await _vectors.record_dimension(
                conn, settings_id=settings.id, version=settings.version, dimension=dimension
            )
            row = await _vectors.vector_settings_by_id(conn, settings_id=settings.id)
        if row is None or row["version"] != settings.version:
            raise Fenced("the settings were changed")
        return Settings.of(row)

    async def _embedder(self, settings: Settings) -> Embedder:
        """Kept open as long as the settings stay as they are."""
        known = self._open.get(settings.id)
        if known is not None and known[0] == settings:
            return known[2]
        if known is not None:
            del self._open[settings.id]
            await known[1].aclose()
        stack = AsyncExitStack()
        embedder = await stack.enter_async_context(open_embedder(settings.embedder))
        self._open[settings.id] = (settings, stack, embedder)
        return embedder

    async def _give_back(self, part: Range) -> None:
        async with self._pool.acquire() as conn:
            await part.give_back(conn)

    async def _rest(self, settings: Settings, error: SourceError) -> None:
        until: datetime | None = None
        seconds = 0.0
        if isinstance(error, RateLimited):
            if isinstance(error.until, datetime):
                until = error.until
            else:
                seconds = error.until.total_seconds()
        elif not isinstance(error, Transient):
            seconds = LONG_REST
        log.warning("vectorizing rests", error=str(error), kind=error.kind)
        async with self._pool.acquire() as conn:
            await _vectors.park_vectors(
                conn,
                settings_id=settings.id,
                version=settings.version,
                error=str(error),
                at_least=seconds,
                until=until,
            )


async def _put(
    conn: Connection, part: Range, label: str, rows: Sequence[Any], outcomes: Sequence[Outcome]
) -> None:
    keys: list[Key] = [row["key"] for row in rows]
    dimension = max((len(outcome) for outcome in outcomes if not isinstance(outcome, str)), default=1)
    nothing = [0.0] * dimension
    await conn.execute(
        statements.put(part.table),
        label,
        keys,
        [row["hash"] for row in rows],
        # As numbers in binary: as text they took most of a worker's time.
        [value for outcome in outcomes for value in (nothing if isinstance(outcome, str) else outcome)],
        dimension,
        [outcome if isinstance(outcome, str) else None for outcome in outcomes],
    )


def _passes(error: BaseException) -> bool:
    """Whether the database may do it the next time: it was away, or others were in the way."""
    if not isinstance(error, asyncpg.PostgresError) or isinstance(error, asyncpg.InvalidCachedStatementError):
        return True
    return str(error.sqlstate or "")[:2] in {"08", "25", "40", "53", "55", "57", "58", "XX"}
