"""Workers in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from etl_core.store.database import Connection
from tests.workers.running import Hand, hand


@pytest.fixture
async def worker(db: Connection, database_url: str) -> AsyncIterator[Hand]:
    """A registered worker."""
    async with hand(db, database_url) as made:
        yield made


@pytest.fixture
async def other_worker(db: Connection, database_url: str) -> AsyncIterator[Hand]:
    """And another."""
    async with hand(db, database_url) as made:
        yield made
