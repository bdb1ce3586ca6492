"""The contract suite, for a manifest with an incremental stream and one of partitions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from etl_core.connector import Connector
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract
from tests.simulators.rest.shop import ShopSimulator
from tests.workers.connectors.rest import shops
from workers.connectors.rest import gathering

CHILDREN = f"""
  customers:
    path: /link/customers
    records: data
    key: [id]
    full_refresh: true
    pagination: {{type: link_header}}
    columns: {{id: bigint, name: text}}
  orders_of_customers:
    path: "/next/customers/{{{{ parent.id }}}}/orders"
    parent: {{stream: customers}}
    records: data
    key: [id]
    params: {{sort: updated}}
    pagination: {{type: next_url, url: next}}
    incremental: {shops.INCREMENTAL}
    columns: {{id: bigint, name: text, updated_at: timestamptz}}
"""


class ShopCase(ConnectorCase):
    few = 20
    many = 1_500
    overlap = True

    def __init__(self, simulator: ShopSimulator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._simulator = simulator
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._bad: set[int] = set()

    def connector(self) -> Connector:
        manifest = shops.orders("seek", incremental=True, more=CHILDREN)
        if len(self._simulator.orders.rows) > 100:
            manifest = manifest.replace("size: 7", "size: 60")
        return shops.connector(self._simulator, self._folder, manifest)

    async def fill(self, count: int) -> None:
        if count > 100:
            self._simulator.page = 60
            self._monkeypatch.setattr(gathering, "PAGE_RECORDS", 60)
        for _ in range(4):
            self._simulator.customers.add()
        for _ in range(count):
            self._simulator.orders.add()

    async def change(self) -> None:
        self._simulator.orders.update(self._simulator.world.rng.choice(list(self._simulator.orders.rows)))
        self._simulator.orders.add()

    async def spoil(self) -> int:
        """Not the last of a page: `seek` asks for that one again."""
        self._simulator.orders.rows[2]["amount"] = "a lot"
        self._bad.add(2)
        return 1

    def expected(self) -> Expected:
        world = self._simulator
        wanted = {
            (key,): {"name": row["name"], "updated_at": row["updated_at"]}
            for key, row in world.orders.rows.items()
        }
        bad = {key: row for key, row in wanted.items() if key[0] not in self._bad}
        customers = {(key,): {"name": row["name"]} for key, row in world.customers.rows.items()}
        return {"orders": bad, "orders_of_customers": wanted, "customers": customers}

    @asynccontextmanager
    async def stalled(self) -> AsyncGenerator[None]:
        self._simulator.stalls = True
        yield
        self._simulator.stalls = False


class TestRest(ConnectorContract):
    @pytest.fixture
    async def case(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[ConnectorCase]:
        monkeypatch.setattr(gathering, "PAGE_RECORDS", 7)
        simulator = ShopSimulator(seed=1, page=3)
        async with simulator.serving():
            yield ShopCase(simulator, tmp_path, monkeypatch)
