"""The rest connector: each shipped manifest against the simulator of its API."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.connectors_soak.source import Source, Tables
from tests.simulators.faults import COMMON, TOO_MANY, Faults
from tests.simulators.rest.entra import EntraSimulator
from tests.simulators.rest.simulator import TOKEN
from tests.simulators.rest.world import Facts, Row, Table, differences, iso
from tests.simulators.serve import serving_in_thread
from tests.workers.connectors.rest.shipped_apis import ALL, ShippedApi

_VARIABLE = "SOAK_REST_TOKEN"
_CHANGES_PER_REQUEST = 0.4
_EXPIRY = 0.01


class RestSource:
    """Pages are small, so that there are many calls."""

    type = "rest"
    environment: Mapping[str, str] = {_VARIABLE: TOKEN}

    def __init__(self, api: ShippedApi, seed: int) -> None:
        self._api = api
        self._simulator = api.make(seed=seed, faults=Faults(seed=seed, kinds=(*COMMON, TOO_MANY)))

    @contextmanager
    def serving(self) -> Iterator[None]:
        with serving_in_thread(self._simulator.application) as url:
            self._simulator.url = url
            yield

    def config(self) -> dict[str, Any]:
        folder = Path(tempfile.mkdtemp(prefix="etl-soak-manifest-"))
        return self._api.config(self._simulator, folder, f"env:{_VARIABLE}")

    def disturb(self, share: float) -> None:
        self._simulator.faults.share = share
        self._simulator.changes_per_request = _CHANGES_PER_REQUEST
        if isinstance(self._simulator, EntraSimulator):
            self._simulator.expiry = _EXPIRY

    def freeze(self) -> None:
        self._simulator.freeze()
        if isinstance(self._simulator, EntraSimulator):
            self._simulator.expiry = 0.0

    def moment(self) -> int:
        return self._simulator.world.changes

    def differences(self, tables: Tables, since: Any) -> list[str]:
        wrong = []
        for stream, facts in self._api.streams.items():
            table = self._simulator.world.tables[stream]
            names = list(facts(next(iter(table.rows.values()))))
            loaded = {
                str(key[0]): {name: plain(row.get(name)) for name in names}
                for key, row in tables.get(stream, {}).items()
            }
            deletions = stream not in self._api.keeps_deleted
            found = differences(_as_text(table), loaded, _plain_facts(facts), since, deletions=deletions)
            wrong += [f"{stream} {each}" for each in found]
        return wrong

    def told(self) -> str:
        faults = self._simulator.faults
        met = ", ".join(f"{name} {count}" for name, count in faults.met.most_common())
        return f"{faults.requests} calls, {sum(faults.met.values())} met a fault: {met}"


def plain(value: Any) -> str | None:
    """A value of the destination as the world writes it."""
    if isinstance(value, datetime):
        return iso(value)
    return None if value is None else str(value)


def _plain_facts(facts: Callable[[Row], Facts]) -> Callable[[Row], Facts]:
    return lambda row: {name: plain(value) for name, value in facts(row).items()}


def _as_text(table: Table) -> Table:
    """The same with its keys as text."""
    versions = {str(key): found for key, found in table.versions.items()}
    return Table(table.world, table.make, table.edit, versions=versions)


REST_SOURCES: dict[str, Callable[[int], Source]] = {
    f"rest-{api.name}": partial(RestSource, api) for api in ALL
}
