"""The contract suite, for a script that prints what is new since its checkpoint."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from etl_core.connector import Connector
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract
from workers.connectors.command import CommandConnector
from workers.connectors.command import rows as command_rows
from workers.connectors.command.config import CommandConfig

SCRIPT = Path(__file__).with_name("printing.py").read_text()


class CommandCase(ConnectorCase):
    few = 10
    many = 8_000

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._items: dict[str, int] = {}
        self._version = 0
        self._script = folder / "printing.py"
        self._script.write_text(SCRIPT.replace("{python}", sys.executable))
        self._script.chmod(0o755)
        monkeypatch.setenv("ETL_ALLOW_COMMANDS", str(self._script))

    def connector(self) -> Connector:
        return CommandConnector(
            CommandConfig.model_validate(
                {
                    "argv": [str(self._script)],
                    "streams": {"items": {"key": ["id"], "columns": {"id": "text"}}},
                }
            )
        )

    async def fill(self, count: int) -> None:
        self._monkeypatch.setattr(command_rows, "PAGE_RECORDS", 3 if count < 100 else 200)
        for number in range(count):
            self._put(f"i{number}")
        self._write()

    async def change(self) -> None:
        self._put("i1")
        self._put(f"new{self._version}")
        self._write()

    async def spoil(self) -> int:
        with (self._folder / "items.jsonl").open("a") as file:
            file.write('{"id": "torn"\n')
        return 1

    def expected(self) -> Expected:
        return {"items": {(name,): {"version": version} for name, version in self._items.items()}}

    @asynccontextmanager
    async def stalled(self) -> AsyncGenerator[None]:
        (self._folder / "stall").touch()
        yield
        (self._folder / "stall").unlink()

    def _put(self, name: str) -> None:
        self._version += 1
        self._items[name] = self._version

    def _write(self) -> None:
        lines = [
            json.dumps({"id": name, "version": version, "text": "x" * 500}) + "\n"
            for name, version in self._items.items()
        ]
        new = self._folder / "items.new"  # who reads the old one reads it to its end
        new.write_text("".join(lines))
        new.replace(self._folder / "items.jsonl")


class TestCommand(ConnectorContract):
    @pytest.fixture
    def case(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConnectorCase:
        return CommandCase(tmp_path, monkeypatch)
