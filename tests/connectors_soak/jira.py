"""The Jira connector against its simulator, Cloud and Data Center; each run takes a census."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.connectors_soak.source import Source, Tables
from tests.simulators.faults import Faults
from tests.simulators.jira import JiraSimulator, World
from tests.simulators.jira.access import API_TOKEN, EMAIL, PERSONAL_TOKEN
from tests.simulators.jira.faults import SURVIVABLE
from tests.simulators.jira.server import Flavour
from tests.simulators.jira.truth import facts_of, rows_of
from tests.simulators.serve import serving_in_thread
from tests.workers.connectors.jira.sites import facts_in

_VARIABLE = "SOAK_JIRA_SECRET"
_CHANGES_PER_REQUEST = 0.4
_LATE = 60_000
"""Milliseconds: younger changes may not be in the index yet."""


class JiraSource:
    """Time passes by requests, half a second each, and the index is late."""

    type = "jira"

    def __init__(self, flavour: Flavour, seed: int) -> None:
        self._simulator = JiraSimulator(
            World(seed, issues=150), flavour=flavour, faults=Faults(seed=seed, kinds=SURVIVABLE)
        )
        secret = API_TOKEN if self._simulator.is_cloud else PERSONAL_TOKEN
        self.environment: Mapping[str, str] = {_VARIABLE: secret}
        self._is_at_rest = False

    @contextmanager
    def serving(self) -> Iterator[None]:
        with serving_in_thread(self._simulator.application) as url:
            self._simulator.url = url
            yield

    def config(self) -> dict[str, Any]:
        secret = f"env:{_VARIABLE}"
        auth = {"type": "api_token", "email": EMAIL, "api_token": secret}
        if not self._simulator.is_cloud:
            auth = {"type": "personal_token", "token": secret}
        paces = {"page_size": 10, "census_every": 1, "requests_per_minute": 100_000}
        return {"site": self._simulator.url, "auth": auth, **paces}

    def disturb(self, share: float) -> None:
        self._simulator.faults.share = share
        self._simulator.changes_per_request = _CHANGES_PER_REQUEST

    def freeze(self) -> None:
        self._simulator.freeze()
        self._is_at_rest = True

    def moment(self) -> int:
        return self._simulator.world.now_ms

    def differences(self, tables: Tables, since: Any) -> list[str]:
        """At rest all is as it is now; before, each issue is as it was at some moment since the run began."""
        loaded = facts_in(
            {stream: {key[0]: row for key, row in rows.items()} for stream, rows in tables.items()}
        )
        found = {
            stream: {key: self._told(row) for key, row in rows.items()} for stream, rows in loaded.items()
        }
        if not self._is_at_rest:
            return list(self._impossible(found.get("issues", {}), since))
        wrong = []
        for stream, rows in rows_of(self._simulator.world).items():
            there = found.get(stream, {})
            wanted = {key: self._told(row) for key, row in rows.items()}
            wrong += [f"{stream} {key} is lost" for key in wanted.keys() - there.keys()]
            wrong += [f"{stream} {key} should be gone" for key in there.keys() - wanted.keys()]
            wrong += [
                f"{stream} {key} is {there[key]}, not {row}"
                for key, row in wanted.items()
                if key in there and there[key] != row
            ]
        return wrong

    def _impossible(self, there: Mapping[str, Any], since: int) -> Iterator[str]:
        """Issues as no reader can have seen them; `since` is what the index may have been late by."""
        for issue_id, versions in self._simulator.world.versions.items():
            begun = max((at for at, _ in versions if at <= since - _LATE), default=None)
            seen = [issue for at, issue in versions if begun is None or at >= begun]
            may_be_absent = begun is None or None in seen
            row = there.get(str(issue_id))
            if row is None:
                if not may_be_absent:
                    yield f"issues {issue_id} is lost"
            elif row not in [self._told(facts_of(issue)) for issue in seen if issue is not None]:
                yield f"issues {issue_id} is {row}, as it never was since the run began"

    def told(self) -> str:
        faults = self._simulator.faults
        met = ", ".join(f"{name} {count}" for name, count in faults.met.most_common())
        return f"{faults.requests} calls, {sum(faults.met.values())} met a fault: {met}"

    def _told(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Data Center has other ids of people."""
        return {name: value for name, value in row.items() if self._simulator.is_cloud or name != "assignee"}


JIRA_SOURCES: dict[str, Callable[[int], Source]] = {
    "jira": partial(JiraSource, "cloud"),
    "jira-data-center": partial(JiraSource, "data_center"),
}
