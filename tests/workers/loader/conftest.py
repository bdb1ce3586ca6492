"""A job to load for, and short ways to load rows and to read them back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from etl_core.connector import Record, Stream
from etl_core.store import database
from etl_core.store.database import Connection
from workers.loader import LoadCounts, TargetTable, ensure_tables, merge, stage_rows
from workers.transform import transform_records

EXTRACTED = datetime(2026, 5, 1, 12, tzinfo=UTC)

Connect = Callable[[], Awaitable[Connection]]


class Untransformed:
    """A connector whose records are rows already."""

    def transform(self, stream: Stream, record: Record) -> Record:
        return record


class Ensure(Protocol):
    async def __call__(self, *streams: Stream, schema: str | None = None) -> dict[str, TargetTable]: ...


async def make_job(db: Connection, name: str = "github", tenant: str = "acme") -> int:
    """A job of its own integration; returns its id."""
    tenant_id = await db.fetchval(
        "INSERT INTO tenants (name) VALUES ($1) "
        "ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id",
        tenant,
    )
    integration_id = await db.fetchval(
        "INSERT INTO integrations (name, type, tenant_id) VALUES ($1, 'synthetic', $2) RETURNING id",
        name,
        tenant_id,
    )
    job_id: int = await db.fetchval(
        "INSERT INTO etl_jobs (job_name, integration_id, tenant_id) VALUES ($1, $2, $3) RETURNING id",
        f"{name} sync",
        integration_id,
        tenant_id,
    )
    return job_id


async def load(
    conn: Connection, table: TargetTable, records: Sequence[Record], *, run_id: int = 1
) -> LoadCounts:
    """Transforms and loads one batch in a transaction of its own; none may be rejected."""
    rows = transform_records(Untransformed(), table.stream, records)
    assert rows.rejects == []
    async with conn.transaction():
        staged = await stage_rows(conn, table, rows)
        return await merge(conn, staged, run_id=run_id, extracted_at=EXTRACTED)


async def rows_of(conn: Connection, table: TargetTable, *columns: str) -> list[tuple[Any, ...]]:
    """The table's rows in the order of its first column."""
    listing = ", ".join(f'"{column}"' for column in columns) or "*"
    return [
        tuple(row)
        for row in await conn.fetch(f'SELECT {listing} FROM "{table.schema}"."{table.name}" ORDER BY 1')
    ]


@pytest.fixture
async def job_id(db: Connection) -> int:
    return await make_job(db)


@pytest.fixture
def ensure(db: Connection, job_id: int) -> Ensure:
    """Ensures the tables of `job_id`."""

    async def ensure(*streams: Stream, schema: str | None = None) -> dict[str, TargetTable]:
        return await ensure_tables(
            db, job_id=job_id, tenant="acme", integration="github", schema=schema, streams=streams
        )

    return ensure


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Connect]:
    """Opens more connections to the test's database."""
    async with AsyncExitStack() as stack:

        async def connect() -> Connection:
            connection = await database.connect(database_url, application_name="tests")
            stack.push_async_callback(connection.close, timeout=5)
            return connection

        yield connect
