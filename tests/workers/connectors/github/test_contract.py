"""The GitHub connector fulfils the contract, against the simulator."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from pydantic import SecretStr

from etl_core.connector import Connector
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract
from tests.simulators.github import GitHubSimulator, World, serve_github
from tests.simulators.github import changing as happens
from tests.simulators.github.access import TOKEN
from workers.connectors.github.config import ALL_STREAMS, GitHubConfig, StreamName
from workers.connectors.github.connector import GitHubConnector

_CHANGES = (
    happens.edit_pull,
    happens.edit_issue,
    happens.open_pull,
    happens.comment,
    happens.delete_comment,
    happens.open_issue,
    happens.merge_pull,
    happens.push_to_pull,
    happens.edit_release,
)
_STREAMS: tuple[StreamName, ...] = tuple(
    name for name in ALL_STREAMS if name not in ("deployments", "workflow_runs")
)
"""What those two add is one more walk each, by the same steps."""


class GitHubCase(ConnectorCase):
    """Two repositories with something of every stream; comments that go on behind the page they came with."""

    few: ClassVar[int] = 4
    many: ClassVar[int] = 2_000
    overlap: ClassVar[bool] = True
    exact_checkpoint: ClassVar[bool] = False  # it holds when open pull requests were walked again

    def __init__(self, simulator: GitHubSimulator) -> None:
        self._simulator = simulator
        self._world = simulator.world
        self._changes = 0
        self._page_size = 2

    def connector(self) -> Connector:
        return GitHubConnector(
            GitHubConfig(
                api_url=self._simulator.url,
                token=SecretStr(TOKEN),
                owners=("octo",),
                page_size=self._page_size,
                streams=_STREAMS,
            )
        )

    async def fill(self, count: int) -> None:
        world = self._world
        for login in ("ada", "grace"):
            world.add_owner(login, "User")
        world.add_owner("octo")
        app = world.add_repository("octo", "app")
        if count >= self.many:
            self._page_size = 50
            for _ in range(count):
                world.add_issue(app, body="It should be told at length. " * 120)
            return
        api = world.add_repository("octo", "api", isPrivate=True)
        for number in range(count):
            happens.push(world, app)
            pull = world.add_pull_request(app, commits=1)
            world.add_review(pull)
            world.add_thread(pull, comments=12 if number == 0 else 1)
            for _ in range(23 if number == 0 else 1):
                world.add_comment(pull)
            world.pass_time()
        for repo in (app, api):
            world.add_comment(world.add_issue(repo))
            world.add_release(repo)

    async def change(self) -> None:
        app = next(iter(self._world.repositories.values()))
        for _ in range(2):
            self._world.pass_time()
            _CHANGES[self._changes % len(_CHANGES)](self._world, app)
            self._changes += 1

    async def spoil(self) -> int:
        pull = next(self._world.all_of("_pull_requests"))
        pull["fullDatabaseId"] = "not a number"
        self._world.history.note_gone(pull)
        return 1

    def expected(self) -> Expected:
        return {stream: self._world.history.rows(stream) for stream in _STREAMS}

    @asynccontextmanager
    async def stalled(self) -> AsyncGenerator[None]:
        self._simulator.stalls = True
        yield
        self._simulator.stalls = False


class TestGitHub(ConnectorContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[ConnectorCase]:
        async with serve_github(GitHubSimulator(World(seed=5))) as simulator:
            yield GitHubCase(simulator)
