"""PostgreSQL, held to what every connector must do, while other transactions come late."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from etl_core.connector import Connector
from etl_core.store.database import connect
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract
from tests.workers.connectors.postgres.shop import Shop
from workers.connectors.postgres import PostgresConnector, walk
from workers.connectors.postgres.config import PostgresConfig


class PostgresCase(ConnectorCase):
    """A snapshot for each page, three rows looked at by xmin at once, and a census in each run: what is
    deleted is found by the next."""

    overlap = True
    exact_checkpoint = False  # of xmin it is what other sessions of the server do

    def __init__(self, url: str, shop: Shop) -> None:
        self.url = url
        self.shop = shop
        self._page_size = 4
        self._rows: Expected = {}

    def connector(self) -> Connector:
        config = {
            "url": self.url,
            "tables": [
                {"table": "orders", "cursor": "updated_at", "overlap": 60, "census_every": 1},
                {"table": "notes", "cursor": "xmin", "census_every": 1},
                {"table": "tags", "key": ["label", "number"]},
            ],
            "page_size": self._page_size,
            "snapshot_minutes": 1e-6,
        }
        return PostgresConnector(PostgresConfig.model_validate(config))

    async def fill(self, count: int) -> None:
        self._page_size = 4 if count < 100 else 200
        await self.shop.fill(count)
        self._rows = await self.shop.rows()

    async def change(self) -> None:
        await self.shop.change()
        self._rows = await self.shop.rows()

    async def spoil(self) -> int:
        await self.shop.spoil()
        return 1

    def expected(self) -> Expected:
        return self._rows

    @asynccontextmanager
    async def stalled(self) -> AsyncGenerator[None]:
        async with self.shop.locked():
            yield


class TestPostgres(ConnectorContract):
    @pytest.fixture
    async def case(
        self, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncGenerator[ConnectorCase]:
        monkeypatch.setattr(walk, "WINDOW", 3)
        conn = await connect(empty_database_url, application_name="tests")
        late = await connect(empty_database_url, application_name="tests")
        try:
            shop = Shop(conn, late)
            await shop.make()
            yield PostgresCase(empty_database_url, shop)
        finally:
            await late.close()
            await conn.close()
