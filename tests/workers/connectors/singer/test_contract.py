"""The contract suite, for a tap that is sorted and sends a STATE every few records."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from etl_core.connector import Connector
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract
from tests.workers.connectors.singer.taps import put_tap
from workers.connectors.singer import SingerConnector, gathering
from workers.connectors.singer.config import SingerConfig

CATALOG = {
    "streams": [
        {
            "stream": "items",
            "key_properties": ["id"],
            "schema": {"properties": {"at": {"type": "string", "format": "date-time"}}},
        }
    ]
}


class TapCase(ConnectorCase):
    few = 10
    many = 6_000

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._program = put_tap(folder, monkeypatch)
        self._file = folder / "items.jsonl"
        self._hang = folder / "hang"
        self._monkeypatch = monkeypatch
        self._items: dict[str, int] = {}
        self._number = 0
        self._state_every = 3

    def connector(self) -> Connector:
        settings = {"file": str(self._file), "hang": str(self._hang), "state_every": self._state_every}
        config = {"tap": str(self._program), "config": settings, "catalog": CATALOG}
        return SingerConnector(SingerConfig.model_validate(config))

    async def fill(self, count: int) -> None:
        self._state_every = 3 if count < 100 else 100
        self._monkeypatch.setattr(gathering, "PAGE_RECORDS", 3 if count < 100 else 200)
        for number in range(count):
            self._put(f"i{number}")
        self._write()

    async def change(self) -> None:
        self._put("i1")
        self._put(f"new{self._number}")
        self._write()

    async def spoil(self) -> int:
        with self._file.open("a") as file:
            file.write('"no object"\n')
        return 1

    def expected(self) -> Expected:
        return {"items": {(name,): {"number": number} for name, number in self._items.items()}}

    @asynccontextmanager
    async def stalled(self) -> AsyncGenerator[None]:
        self._hang.touch()
        yield
        self._hang.unlink()

    def _put(self, name: str) -> None:
        self._number += 1
        self._items.pop(name, None)
        self._items[name] = self._number

    def _write(self) -> None:
        lines = [
            json.dumps({"id": name, "number": number, "at": "2026-01-31T10:00:00Z", "text": "x" * 400}) + "\n"
            for name, number in self._items.items()
        ]
        new = self._file.with_suffix(".new")  # who reads the old one reads it to its end
        new.write_text("".join(lines))
        new.replace(self._file)


class TestTap(ConnectorContract):
    @pytest.fixture
    def case(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConnectorCase:
        return TapCase(tmp_path, monkeypatch)
