"""The files connector against a web server and object stores whose files change while it reads."""

from __future__ import annotations

import gzip
import json
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from tests.connectors_soak.source import Tables
from tests.simulators.buckets.azure import SERVER_BUSY, AzureSimulator
from tests.simulators.buckets.gcs import GcsSimulator
from tests.simulators.faults import (
    BAD_GATEWAY,
    CLOSED,
    CUT,
    DRIP,
    GATEWAY_TIMEOUT,
    SERVER_ERROR,
    TOO_MANY,
    UNAVAILABLE,
    UNAVAILABLE_UNTIL,
    Faults,
)
from tests.simulators.serve import serving_in_thread
from tests.simulators.web_files import WebFiles

_KINDS = (
    SERVER_ERROR,
    BAD_GATEWAY,
    UNAVAILABLE,
    UNAVAILABLE_UNTIL,
    GATEWAY_TIMEOUT,
    CLOSED,
    CUT,
    DRIP,
    TOO_MANY,
)
"""What a web server does to a file. A body that is wrong and says that it is right is no fault of the way."""
_AZURE_KEY = "Z2VoZWltZXIgU2NobHVlc3NlbA=="
_FILES = 12
_ROWS = 1_500
_CHANGES_PER_REQUEST = 0.1


class FilesSource:
    """JSON lines, every second file packed; a row belongs to its file."""

    type = "files"
    environment: Mapping[str, str] = {}

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._server: WebFiles | GcsSimulator | AzureSimulator = self._make_server(seed)
        self._lock = threading.Lock()
        self._rows: dict[str, dict[int, str]] = {}
        self._changes = 0
        self._changing = 0.0
        self._url = ""
        self._seen: dict[tuple[str, int], list[tuple[int, str]]] = {}
        """File and id -> the values that it had, each with the change that brought it."""
        for _ in range(_FILES):
            self._add()

    def _make_server(self, seed: int) -> WebFiles | GcsSimulator | AzureSimulator:
        return WebFiles(faults=Faults(seed=seed, kinds=_KINDS))

    def _deliver(self, name: str, content: bytes) -> None:
        assert isinstance(self._server, WebFiles)
        self._server.put({f"/{name}": content})

    @contextmanager
    def serving(self) -> Iterator[None]:
        with serving_in_thread(self._application) as url:
            self._url = url
            yield

    def config(self) -> dict[str, Any]:
        return {"path": f"{self._url}/in/**/*", "format": "jsonl", "stream": "rows", "key": ["_file", "id"]}

    def disturb(self, share: float) -> None:
        self._server.faults.share = share
        self._changing = _CHANGES_PER_REQUEST

    def freeze(self) -> None:
        self._server.faults.share = 0.0
        self._changing = 0.0

    def moment(self) -> int:
        with self._lock:
            return self._changes

    def differences(self, tables: Tables, since: Any) -> list[str]:
        with self._lock:
            found = dict(tables.get("rows", {}))
            wrong = []
            for (file, number), values in self._seen.items():
                row = found.pop((file, number), None)
                # What it was at that moment, or became since.
                at = max((place for place, (when, _) in enumerate(values) if when <= since), default=0)
                allowed = {value for _, value in values[at:]}
                was_there = values[0][0] <= since
                if row is None:
                    wrong += [f"{file} {number} is lost"] if was_there else []
                elif row["v"] not in allowed:
                    wrong.append(f"{file} {number} is {row['v']!r}, not {sorted(allowed)}")
            return wrong + [f"{file} {number} was never there" for file, number in found]

    def told(self) -> str:
        faults = self._server.faults
        met = ", ".join(f"{name} {count}" for name, count in faults.met.most_common())
        return (
            f"{faults.requests} calls, {sum(faults.met.values())} met a fault: {met}; {self._changes} changes"
        )

    def _application(self) -> web.Application:
        app = self._server.application()

        async def change(request: web.Request, response: web.StreamResponse) -> None:
            if self._rng.random() < self._changing:
                self._change()

        app.on_response_prepare.append(change)
        return app

    def _change(self) -> None:
        with self._lock:
            if len(self._rows) < 3 * _FILES and self._rng.random() < 0.1:
                self._add()
                return
            self._changes += 1
            file = self._rng.choice(sorted(self._rows))
            rows = self._rows[file]
            for number in (self._rng.randrange(len(rows)), len(rows)):
                self._put(file, number)
            self._publish(file)

    def _add(self) -> None:
        self._changes += 1
        number = len(self._rows)
        file = f"{number % 3}/f{number:02}.jsonl{'.gz' if number % 2 else ''}"
        self._rows[file] = {}
        for each in range(_ROWS):
            self._put(file, each)
        self._publish(file)

    def _put(self, file: str, number: int) -> None:
        value = f"{self._changes} {self._rng.random()}"
        self._rows[file][number] = value
        self._seen.setdefault((file, number), []).append((self._changes, value))

    def _publish(self, file: str) -> None:
        lines = "".join(json.dumps({"id": n, "v": v}) + "\n" for n, v in self._rows[file].items()).encode()
        self._deliver(f"in/{file}", gzip.compress(lines, 1, mtime=0) if file.endswith("gz") else lines)


_READ = {"format": "jsonl", "stream": "rows", "key": ["_file", "id"]}


class StoreSource(FilesSource):
    """The same in an object store; its library waits before it asks again, so there are fewer calls."""

    def _deliver(self, name: str, content: bytes) -> None:
        assert not isinstance(self._server, WebFiles)
        self._server.objects.put(name, content)


class GoogleSource(StoreSource):
    environment: Mapping[str, str] = {}

    def _make_server(self, seed: int) -> GcsSimulator:
        made = GcsSimulator("box", page=5)
        made.faults = Faults(seed=seed, kinds=_KINDS)
        return made

    def config(self) -> dict[str, Any]:
        return {
            "path": "gs://box/in/**/*",
            "gcs": {"endpoint_url": self._url, "anonymous": True},
            **_READ,
        }


class AzureSource(StoreSource):
    """With a key, so that requests are signed."""

    environment: Mapping[str, str] = {"SOAK_AZURE_KEY": _AZURE_KEY}

    def _make_server(self, seed: int) -> AzureSimulator:
        made = AzureSimulator("acme", "box", key=_AZURE_KEY, page=5)
        kinds = [SERVER_BUSY if kind is TOO_MANY else kind for kind in _KINDS]
        made.faults = Faults(seed=seed, kinds=kinds)
        return made

    def config(self) -> dict[str, Any]:
        login = {"account_name": "acme", "account_key": "env:SOAK_AZURE_KEY"}
        options = {**login, "endpoint_url": f"{self._url}/acme"}
        return {"path": "az://box/in/**/*", "azure": options, **_READ}
