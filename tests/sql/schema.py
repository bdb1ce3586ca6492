"""The newest schema on each supported server, for tests of the SQL itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from etl_core.store import database
from tests.support.postgres import migrated_template, temporary_database


@asynccontextmanager
async def migrated(admin_url: str) -> AsyncIterator[database.Connection]:
    """A connection to a new database with the newest schema on the server of `admin_url`."""
    async with temporary_database(admin_url, template=await migrated_template(admin_url)) as url:
        connection = await database.connect(url, application_name="tests")
        try:
            yield connection
        finally:
            await connection.close(timeout=5)
