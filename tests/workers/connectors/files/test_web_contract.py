"""The contract of connectors, for files that are not on this machine's disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from etl_core.connector import Connector
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract
from tests.simulators.faults import Fault
from tests.simulators.serve import serving_in_thread
from tests.simulators.web_files import WebFiles
from workers.connectors.files import FilesConnector, pages
from workers.connectors.files.config import FilesConfig

_HANGS = Fault("hangs", hang=30.0)


class WebFilesCase(ConnectorCase):
    """Files of one stream that a server names on its index page."""

    def __init__(self, server: WebFiles, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server = server
        self._url = url
        self._monkeypatch = monkeypatch
        self._files: dict[str, dict[str, str]] = {}
        self._changes = 0

    def connector(self) -> Connector:
        path = f"{self._url}/in/*.jsonl"
        return FilesConnector(FilesConfig(path=path, stream="notes", key=("id",)))

    async def fill(self, count: int) -> None:
        self._monkeypatch.setattr(pages, "PAGE_RECORDS", 4 if count < 100 else 200)
        # The server is in this process, too: what it holds of an answer under way must be small.
        names = "abc" if count < 100 else "abcdefgh"
        self._files = {name: {} for name in names}
        for number in range(count):
            self._files[names[number * len(names) // count]][f"n{number}"] = f"note {number} {'x' * 400}"
        for name in self._files:
            self._publish(name)

    async def change(self) -> None:
        self._changes += 1
        notes = self._files["b"]
        notes[next(iter(notes))] = f"changed {self._changes}"
        notes[f"new{self._changes}"] = "new"
        self._publish("b")

    async def spoil(self) -> int:
        self._publish("b", '{"id": "torn", \n')
        return 1

    def expected(self) -> Expected:
        notes = {key: text for notes in self._files.values() for key, text in notes.items()}
        return {"notes": {(key,): {"text": text} for key, text in notes.items()}}

    def stalled(self) -> AbstractAsyncContextManager[None]:
        return self._stalled()

    @asynccontextmanager
    async def _stalled(self) -> AsyncIterator[None]:
        faults = self._server.faults
        was, faults.share, faults.kinds = faults.kinds, 1.0, (_HANGS,)
        try:
            yield
        finally:
            faults.share, faults.kinds = 0.0, was
            await asyncio.sleep(0)

    def _publish(self, name: str, more: str = "") -> None:
        lines = "".join(
            json.dumps({"id": key, "text": text}) + "\n" for key, text in self._files[name].items()
        )
        self._server.put({f"/in/{name}.jsonl": (lines + more).encode()})


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[WebFiles, str]]:
    server = WebFiles()
    with serving_in_thread(server.application) as url:
        yield server, url


class TestWebFiles(ConnectorContract):
    @pytest.fixture
    def case(self, served: tuple[WebFiles, str], monkeypatch: pytest.MonkeyPatch) -> ConnectorCase:
        server, url = served
        server.files.clear()
        return WebFilesCase(server, url, monkeypatch)
