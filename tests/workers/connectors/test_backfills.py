"""Connectors that can be backfilled yield just their range, however often it is broken off."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_core.backfill import Backfill, Backfills
from etl_core.connector import Connector, ExtractContext, PartitionState
from etl_core.errors import Permanent
from etl_core.store.database import connect
from etl_core.testing.walking import pages_of, run_fresh
from tests.simulators.faults import Faults
from tests.simulators.github import GitHubSimulator, serve_github
from tests.simulators.github import World as GitHubWorld
from tests.simulators.github.world import at
from tests.simulators.jira import JiraSimulator, World, serve_jira
from tests.simulators.rest.shop import ShopSimulator
from tests.workers.connectors.github.reading import connector_of as github_connector
from tests.workers.connectors.jira.sites import connector_of as jira_connector
from tests.workers.connectors.rest import shops
from tests.workers.connectors.rest.shipped_apis import GITLAB
from workers.connectors.github import newest_first
from workers.connectors.postgres import PostgresConnector
from workers.connectors.postgres.config import PostgresConfig

Found = dict[str, list[dict[str, Any]]]


async def read(
    connector: Connector, backfill: Backfill, into: Found, checkpoint: dict[tuple[str, str], PartitionState]
) -> bool:
    """Two pages more of a backfill (the first may have been read before); False: it is through."""
    context = ExtractContext(checkpoint=dict(checkpoint), backfill=backfill)
    streams = {stream.name: stream for stream in await connector.discover(context)}
    moved = 0
    async with aclosing(pages_of(connector, context)) as pages:
        async for page in pages:
            assert not page.failures
            for name, records in page.records.items():
                into.setdefault(name, []).extend(
                    dict(connector.transform(streams[name], record)) for record in records
                )
            for f in page.checkpoint:
                checkpoint[f.stream, f.partition] = PartitionState(f.bookmark, f.resume)
            moved += bool(page.checkpoint)
            if moved == 2:
                return True
    return bool(moved)


async def backfilled(connector: Connector, start: object, end: object, *streams: str) -> Found:
    """What a backfill yields whose worker is lost behind each second page."""
    assert isinstance(connector, Backfills)
    ranges = connector.backfill_ranges()
    backfill = Backfill(str(start), str(end), streams or None if "*" in ranges else streams or [*ranges])
    found: Found = {}
    checkpoint: dict[tuple[str, str], PartitionState] = {}
    for _ in range(200):
        if not await read(connector, backfill, found, checkpoint):
            return found
    raise AssertionError("it has no end")


def middle(moments: list[datetime]) -> tuple[str, str]:
    """A range that holds some of them, as the worker gives it."""
    ordered = sorted(moments)
    first, last = ordered[len(ordered) // 4], ordered[3 * len(ordered) // 4]
    assert first < last
    return first.astimezone(UTC).isoformat(), last.astimezone(UTC).isoformat()


def inside(row: dict[str, Any], span: tuple[str, str], field: str = "updated_at") -> bool:
    moment = moment_of(row[field])
    return datetime.fromisoformat(span[0]) <= moment < datetime.fromisoformat(span[1])


def moment_of(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


async def test_postgres(empty_database_url: str) -> None:
    """By a number and by a time; what has no cursor is left out, or refused if it was asked for."""
    conn = await connect(empty_database_url, application_name="tests")
    await conn.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n bigint, at timestamptz); CREATE TABLE u (id int)"
    )
    await conn.execute("ALTER TABLE u ADD PRIMARY KEY (id)")
    await conn.execute(
        "INSERT INTO t SELECT n, n / 2, '2024-01-01'::timestamptz + n * interval '1 hour'"
        " FROM generate_series(1, 40) AS n"
    )
    await conn.execute("INSERT INTO t VALUES (99, NULL, NULL); INSERT INTO u VALUES (1)")
    await conn.close()

    def connector(cursor: str, **more: Any) -> PostgresConnector:
        tables = [{"table": "t", "cursor": cursor, "census_every": 1}, "u"]
        given = {"url": empty_database_url, "tables": tables, "page_size": 4, **more}
        return PostgresConnector(PostgresConfig.model_validate(given))

    found = await backfilled(connector("n"), 5, 12)
    assert [row["id"] for row in found["t"]] == list(range(10, 24))
    assert set(found) == {"t"}
    found = await backfilled(connector("at"), "2024-01-01 05:00+00", "2024-01-01 09:00+00")
    assert [row["id"] for row in found["t"]] == [5, 6, 7, 8]
    with pytest.raises(Permanent, match="u has no cursor column"):
        await backfilled(connector("n"), 5, 12, "u")


async def test_jira() -> None:
    async with serve_jira(JiraSimulator(World(7, issues=30))) as site:
        loaded, _ = await run_fresh(jira_connector(site))
        rows = list(loaded.rows["issues"].values())
        span = middle([moment_of(row["updated_at"]) for row in rows])
        found = await backfilled(jira_connector(site, page_size=5), *span)
    wanted = {str(row["id"]) for row in rows if inside(dict(row), span)}
    assert {str(row["id"]) for row in found["issues"]} == wanted
    assert set(found) <= {"issues", "changelogs", "comments", "worklogs"}


async def test_github() -> None:
    world = GitHubWorld(seed=1)
    for login in ("ada", "grace"):
        world.add_owner(login, "User")
    world.add_owner("octo")
    app = world.add_repository("octo", "app")
    for _ in range(12):
        world.now += timedelta(minutes=20)
        world.add_issue(app)
        world.add_pull_request(app, commits=1)
    streams = ("issues", "pull_requests")
    async with serve_github(GitHubSimulator(world)) as github:
        loaded, _ = await run_fresh(github_connector(github, streams=[*streams]))
        for stream in streams:
            rows = list(loaded.rows[stream].values())
            span = middle([moment_of(row["updated_at"]) for row in rows])
            made = github_connector(github, streams=[*streams, "commits"], page_size=2)
            found = await backfilled(made, *span, stream)
            wanted = {row["id"] for row in rows if inside(dict(row), span)}
            assert {row["id"] for row in found[stream]} == wanted
            assert set(found) == {stream}
    assert at(world.now)


async def test_github_by_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deployments and workflow runs; some workflow runs are of one second."""
    monkeypatch.setattr(newest_first, "_MOST", 4)
    world = GitHubWorld(seed=1)
    world.add_owner("ada", "User")
    world.add_owner("octo")
    for name in ("app", "web"):
        repository = world.add_repository("octo", name)
        for number in range(14):
            world.now += timedelta(minutes=20 if number % 5 else 0)
            world.add_deployment(repository)
            world.add_workflow_run(repository)
    streams = ("deployments", "workflow_runs")
    async with serve_github(GitHubSimulator(world)) as github:
        loaded, _ = await run_fresh(github_connector(github, streams=[*streams]))
        for stream in streams:
            rows = list(loaded.rows[stream].values())
            assert len(rows) == 28
            span = middle([moment_of(row["created_at"]) for row in rows])
            found = await backfilled(github_connector(github, streams=[*streams]), *span, stream)
            wanted = {row["id"] for row in rows if inside(dict(row), span, "created_at")}
            assert {row["id"] for row in found[stream]} == wanted
            assert set(found) == {stream}


@pytest.mark.parametrize("way", ["seek", "cursor"])
async def test_rest(way: str, tmp_path: Path) -> None:
    simulator = ShopSimulator(seed=1, customers_at_first=3, orders_at_first=40)
    async with simulator.serving():
        made = shops.connector(simulator, tmp_path, shops.orders(way, incremental=True))
        loaded, _ = await run_fresh(made)
        rows = list(loaded.rows["orders"].values())
        span = middle([moment_of(row["updated_at"]) for row in rows])
        found = await backfilled(
            shops.connector(simulator, tmp_path, shops.orders(way, incremental=True)), *span
        )
    wanted = {row["id"] for row in rows if inside(dict(row), span)}
    assert {row["id"] for row in found["orders"]} == wanted


async def test_rest_by_partitions(tmp_path: Path) -> None:
    """GitLab's merge requests, project by project; projects have no cursor and are left alone."""
    simulator = GITLAB.make(seed=1, faults=Faults())
    async with simulator.serving():
        loaded, _ = await run_fresh(GITLAB.connector(simulator, tmp_path))
        rows = list(loaded.rows["merge_requests"].values())
        span = middle([moment_of(row["updated_at"]) for row in rows])
        found = await backfilled(GITLAB.connector(simulator, tmp_path), *span, "merge_requests")
    wanted = {row["id"] for row in rows if inside(dict(row), span)}
    assert {row["id"] for row in found["merge_requests"]} == wanted
    assert len({row["project_id"] for row in found["merge_requests"]}) > 5
    assert set(found) == {"merge_requests"}
