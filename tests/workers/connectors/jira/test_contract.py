"""Jira, held to what every connector must do, in both flavours."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from etl_core.connector import Connector
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract
from tests.simulators.faults import Fault
from tests.simulators.jira import JiraSimulator, World, serve_jira
from tests.simulators.jira.server import Flavour
from tests.workers.connectors.jira.sites import connector_of

_STREAMS = ("projects", "sprints", "issues", "changelogs", "comments", "worklogs")
"""Each of the others is one page, as projects are."""


class JiraCase(ConnectorCase):
    """Three projects; issues of one second, and issues whose comments fill more than a page."""

    few = 14
    many = 525
    overlap = True
    exact_checkpoint = False  # it counts runs, for the census

    def __init__(self, simulator: JiraSimulator) -> None:
        self.simulator = simulator
        self._page_size = 5
        self._bad: set[int] = set()

    def connector(self) -> Connector:
        # A census in each run: what is deleted is found by the next one.
        return connector_of(self.simulator, page_size=self._page_size, census_every=1, streams=_STREAMS)

    async def fill(self, count: int) -> None:
        world = self.simulator.world
        self._page_size = 5 if count < 100 else 25
        for number in range(count):
            if number % 4:
                world.pass_time(61_000)
            made = world.create_issue()
            if count > 100:
                world.edit_issue(made.id, description="as seen in production " * 120)
        ids = sorted(world.issues)
        world.bulk_edit(ids[2:9])
        for _ in range(25):
            world.add_comment(ids[0])
        for _ in range(45):
            world.edit_issue(ids[1])
        world.add_worklog(ids[1])
        world.settle()

    async def change(self) -> None:
        world = self.simulator.world
        ids = sorted(world.issues)
        world.edit_issue(ids[3])
        world.move_issue(ids[5])
        world.create_issue()
        world.delete_comment(ids[0], world.issues[ids[0]].comments[0].id)
        world.delete_issue(ids[7] if len(ids) > 9 else ids[-1])
        world.settle()

    async def spoil(self) -> int:
        self._bad = {sorted(self.simulator.world.issues)[4]}
        self.simulator.spoilt = self._bad
        return 1

    def expected(self) -> Expected:
        world = self.simulator.world
        good = [issue for issue in world.issues.values() if issue.id not in self._bad]
        return {
            "projects": {(str(p.id),): {"key": p.key} for p in world.projects.values()},
            "issues": {
                (str(issue.id),): {"key": issue.key, "summary": issue.summary, "status": issue.status.name}
                for issue in good
            },
            "comments": {
                (str(c.id),): {"body": c.body} for issue in world.issues.values() for c in issue.comments
            },
            "changelogs": {
                (str(h.id),): {"issue_id": str(issue.id)}
                for issue in world.issues.values()
                for h in issue.histories
            },
        }

    @asynccontextmanager
    async def stalled(self) -> AsyncGenerator[None]:
        faults = self.simulator.faults
        faults.kinds, faults.share = (Fault("silence", hang=30.0),), 1.0
        yield
        faults.share = 0.0


@pytest.mark.parametrize(
    ("flavour", "settings"),
    [
        ("cloud", {"paging": "offset", "zone": "Pacific/Auckland"}),
        ("data_center", {}),
    ],
    ids=["cloud", "data-center"],
)
class TestJira(ConnectorContract):
    @pytest.fixture
    async def case(self, flavour: Flavour, settings: dict[str, Any]) -> AsyncGenerator[ConnectorCase]:
        simulator = JiraSimulator(World(1, issues=0), flavour=flavour, **settings)
        async with serve_jira(simulator):
            yield JiraCase(simulator)
