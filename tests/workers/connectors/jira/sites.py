"""Connectors of a simulated site, and what a destination must hold of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl_core.connector import Connector
from etl_core.testing.walking import Destination
from tests.simulators.jira import JiraSimulator
from tests.simulators.jira.access import API_TOKEN, EMAIL, PERSONAL_TOKEN
from tests.simulators.jira.truth import rows_of
from workers.connectors.jira import JiraConnector
from workers.connectors.jira.config import JiraConfig
from workers.connectors.jira.moments import epoch_ms

Facts = Mapping[str, Mapping[Any, Mapping[str, Any]]]


def config_of(simulator: JiraSimulator, **settings: Any) -> JiraConfig:
    """Of the account that may see the site."""
    auth: dict[str, Any] = {"type": "api_token", "email": EMAIL, "api_token": API_TOKEN}
    if not simulator.is_cloud:
        auth = {"type": "personal_token", "token": PERSONAL_TOKEN}
    given = {"site": simulator.url, "auth": auth, "page_size": 5, "requests_per_minute": 100_000, **settings}
    return JiraConfig.model_validate(given)


def connector_of(simulator: JiraSimulator, **settings: Any) -> Connector:
    return JiraConnector(config_of(simulator, **settings))


def facts_in(rows: Mapping[str, Mapping[Any, Mapping[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """What rows of a destination say, in the words of the simulator's `truth`."""
    read: dict[str, Any] = {
        "projects": lambda row: {"key": row["key"], "name": row["name"]},
        "issues": lambda row: {
            "key": row["key"],
            "project_id": int(row["project_id"]),
            "summary": row["summary"],
            "status": row["status"],
            "assignee": row["assignee_id"],
            "points": None if row["story_points"] is None else float(row["story_points"]),
            "updated": ms(row["updated_at"]),
        },
        "changelogs": lambda row: {
            "issue_id": int(row["issue_id"]),
            "created": ms(row["created_at"]),
            "items": len(row["items"]),
        },
        "comments": lambda row: {
            "issue_id": int(row["issue_id"]),
            "body": row["body"],
            "updated": ms(row["updated_at"]),
        },
        "worklogs": lambda row: {
            "issue_id": int(row["issue_id"]),
            "seconds": row["time_spent_seconds"],
            "updated": ms(row["updated_at"]),
        },
        "boards": lambda row: {"name": row["name"]},
        "sprints": lambda row: {"name": row["name"], "state": row["state"]},
    }
    return {
        stream: {str(row["id"]): facts(row) for row in rows.get(stream, {}).values()}
        for stream, facts in read.items()
    }


def ms(value: Any) -> int | None:
    """Epoch milliseconds of a time, of a source or of a database."""
    return epoch_ms(value) if isinstance(value, str) else round(value.timestamp() * 1_000)


def assert_equal(found: Facts, simulator: JiraSimulator, where: str = "") -> None:
    """The destination is the world as it is now."""
    for stream, rows in rows_of(simulator.world).items():
        told = {"assignee"} if not simulator.is_cloud else set()  # Data Center has other ids
        wanted, there = _without(rows, told), _without(found.get(stream, {}), told)
        lost = sorted(set(wanted) - set(there))
        strange = sorted(set(there) - set(wanted))
        assert not lost, f"{where} {stream}: {len(lost)} are lost, such as {lost[:3]}"
        assert not strange, f"{where} {stream}: {len(strange)} should be gone, such as {strange[:3]}"
        wrong = [(key, there[key], row) for key, row in wanted.items() if there[key] != row]
        assert not wrong, f"{where} {stream}: {len(wrong)} are not as they are, such as {wrong[0]}"


def _without(rows: Mapping[Any, Mapping[str, Any]], names: set[str]) -> dict[Any, dict[str, Any]]:
    return {key: {n: value for n, value in row.items() if n not in names} for key, row in rows.items()}


def assert_loaded(loaded: Destination, simulator: JiraSimulator, where: str = "") -> None:
    assert_equal(facts_in(loaded.rows), simulator, where)
