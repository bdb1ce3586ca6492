"""More connections to the test's database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from etl_core.store import database
from etl_core.store.database import Connection

Connect = Callable[..., Awaitable[Connection]]


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Connect]:
    """Opens another connection, closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def connect(application_name: str = "tests") -> Connection:
            connection = await database.connect(database_url, application_name=application_name)
            stack.callback(connection.terminate)
            return connection

        yield connect
