"""Legacy databases on both ends of what is supported: PostgreSQL 15 and the embedded 18."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from etl_core.store import database
from etl_core.store.migrations import migrate
from tests.sql.legacy import FILL
from tests.support.postgres import temporary_database


@pytest.fixture
async def empty(admin_url: str) -> AsyncIterator[database.Connection]:
    """A connection to an empty database."""
    async with temporary_database(admin_url) as url:
        connection = await database.connect(url, application_name="tests")
        try:
            yield connection
        finally:
            await connection.close(timeout=5)


@pytest.fixture
async def legacy(empty: database.Connection) -> database.Connection:
    """A connection to a filled legacy database, at migration 4."""
    await migrate(empty, to=4)
    await empty.execute(FILL)
    return empty
