"""The GitHub connector against its simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.connectors_soak.source import Tables
from tests.simulators.faults import Faults
from tests.simulators.github import GitHubSimulator, Size, make_world
from tests.simulators.github.access import TOKEN
from tests.simulators.github.faults import SURVIVABLE
from tests.simulators.serve import serving_in_thread

_VARIABLE = "SOAK_GITHUB_TOKEN"
_CHANGES_PER_REQUEST = 0.4


class GitHubSource:
    """Organisation `octo`; open pull requests are walked again in each run."""

    type = "github"
    environment: Mapping[str, str] = {_VARIABLE: TOKEN}

    def __init__(self, seed: int) -> None:
        self._simulator = GitHubSimulator(make_world(seed, Size()), Faults(seed=seed, kinds=SURVIVABLE))
        for credential in self._simulator.access.credentials.values():
            credential.limits.graphql.capacity = credential.limits.core.capacity = 1_000_000

    @contextmanager
    def serving(self) -> Iterator[None]:
        with serving_in_thread(self._simulator.application) as url:
            self._simulator.url = url
            yield

    def config(self) -> dict[str, Any]:
        return {
            "api_url": self._simulator.url,
            "token": f"env:{_VARIABLE}",
            "owners": ["octo"],
            "recheck_hours": 0,
            "recheck_days": 400,
        }

    def disturb(self, share: float) -> None:
        self._simulator.faults.share = share
        self._simulator.changes_per_request = _CHANGES_PER_REQUEST

    def freeze(self) -> None:
        self._simulator.freeze()

    def moment(self) -> int:
        with self._simulator.world.lock:
            return self._simulator.world.history.now

    def differences(self, tables: Tables, since: Any) -> list[str]:
        loaded = {stream: {key: written(row) for key, row in rows.items()} for stream, rows in tables.items()}
        with self._simulator.world.lock:
            return self._simulator.world.history.differences(loaded, since)

    def told(self) -> str:
        faults = self._simulator.faults
        met = ", ".join(f"{name} {count}" for name, count in faults.met.most_common())
        return f"{faults.requests} calls, {sum(faults.met.values())} met a fault: {met}"


def written(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its times as GitHub writes them."""
    return {
        name: value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value
        for name, value in row.items()
    }
