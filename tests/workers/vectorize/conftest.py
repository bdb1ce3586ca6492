"""A loaded stream to vectorize, with a simulated endpoint or the real local model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from etl_core.connector import Column, ColumnType, Record, Stream
from etl_core.control.audit import Actor
from etl_core.control.vectors import vectorize
from etl_core.models.vectors import VectorRequest
from etl_core.store.database import Connection, Pool, open_pool
from tests.simulators.embeddings import EmbeddingServer, serve_embeddings
from tests.workers.loader.conftest import load, make_job
from workers.loader import TargetTable, ensure_tables
from workers.vectorize import Vectorizer

PERSON = Actor("tess", "tess", None)
ISSUES = Stream(
    "issues",
    (
        Column("id", ColumnType.BIGINT),
        Column("title", ColumnType.TEXT),
        Column("body", ColumnType.TEXT),
        Column("stars", ColumnType.BIGINT),
    ),
    key=("id",),
)


@dataclass
class Place:
    """The job acme/github sync with a loaded stream, and how to look at its vectors."""

    db: Connection
    pool: Pool
    job_id: int
    table: TargetTable

    async def load(self, *records: Record) -> None:
        await load(self.db, self.table, records)
        await self.tell_changes()

    async def tell_changes(self) -> None:
        """What a session has counted arrives in pg_stat up to 10 s later, unless it is told to hurry."""
        await self.db.execute("SELECT pg_stat_force_next_flush()")

    async def set(self, **request: Any) -> None:
        await vectorize(
            self.db,
            tenant="acme",
            integration="github",
            stream=self.table.stream.name,
            request=VectorRequest(**request),
            actor=PERSON,
        )

    @asynccontextmanager
    async def vectorizer(self, **options: Any) -> AsyncIterator[Vectorizer]:
        async with Vectorizer(self.pool, **options) as made:
            yield made

    async def work(self, **options: Any) -> int:
        """Vectorizes until there is nothing to do; in how many pieces."""
        async with self.vectorizer(**options) as made:
            return await work(made)

    async def rest_over(self) -> None:
        """What rests after a failure is tried again at once."""
        await self.db.execute("UPDATE vector_settings SET ready_at = now()")

    async def settings(self) -> Any:
        return await self.db.fetchrow("SELECT * FROM vector_settings")

    async def vectors(self, *columns: str) -> list[tuple[Any, ...]]:
        """The given columns of all vectors, in the order of the key; default: key and model."""
        listing = ", ".join(columns) or "id, _model"
        rows = await self.db.fetch(
            f'SELECT {listing} FROM "{self.table.schema}"."{self.table.name}_vectors" ORDER BY 1'
        )
        return [tuple(row) for row in rows]


async def work(vectorizer: Vectorizer, *, at_most: int = 200) -> int:
    for pieces in range(at_most):
        if not await vectorizer.run_once():
            return pieces
    raise AssertionError("it finds no end")


def issues(numbers: Sequence[int], **fields: Any) -> list[Record]:
    return [{"id": n, "title": f"issue number{n}", "body": None, "stars": 0} | fields for n in numbers]


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with serve_embeddings() as simulator:
        yield simulator


@pytest.fixture
async def place(db: Connection, database_url: str) -> AsyncIterator[Place]:
    async with make_place(db, database_url, ISSUES) as made:
        yield made


@asynccontextmanager
async def make_place(db: Connection, url: str, stream: Stream) -> AsyncIterator[Place]:
    job_id = await make_job(db)
    tables = await ensure_tables(
        db, job_id=job_id, tenant="acme", integration="github", schema=None, streams=[stream]
    )
    async with open_pool(url, application_name="etl-worker", max_size=6, reset_sessions=False) as pool:
        yield Place(db, pool, job_id, tables[stream.name])


@pytest.fixture
async def remote(place: Place, server: EmbeddingServer) -> Place:
    """Vectorized by the simulated endpoint, 10 texts in a request."""
    await place.set(
        text_columns=["title", "body"], provider="http", model="tiny", url=server.url, batch_size=10
    )
    return place
