"""What every connector must do: etl-tui's own suite, told of the fake system."""

from __future__ import annotations

from pathlib import Path

import pytest
from etl_core.connector import Connector
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract

from etl_tui_my_system.config import MySystemConfig
from etl_tui_my_system.connector import MySystemConnector
from etl_tui_my_system.fake import FakeSystem


class MySystemCase(ConnectorCase):
    overlap = True  # items of the bookmark's own moment are read again

    def __init__(self, folder: Path) -> None:
        self._path = folder / "items.db"
        self._system = FakeSystem(self._path)
        self._page_size = 4

    def connector(self) -> Connector:
        return MySystemConnector(MySystemConfig(path=str(self._path), page_size=self._page_size))

    async def fill(self, count: int) -> None:
        self._page_size = 4 if count < 100 else 200
        self._system.add(count)

    async def change(self) -> None:
        self._system.touch(1)
        self._system.add(1)

    async def spoil(self) -> int:
        self._system.spoil()
        return 1

    def expected(self) -> Expected:
        items = [item for item in self._system.items() if item["price"] != "n/a"]
        return {"items": {(item["id"],): {"title": item["title"]} for item in items}}


class TestMySystem(ConnectorContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> ConnectorCase:
        return MySystemCase(tmp_path)
