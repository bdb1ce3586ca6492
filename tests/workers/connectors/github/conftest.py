"""A simulated GitHub for each test, with a world that the test makes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.simulators.github import GitHubSimulator, World, serve_github
from tests.simulators.github.world import Thing
from workers.connectors.github import api, page_size
from workers.http import Retries


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried at once."""
    monkeypatch.setattr(api, "_RETRIES", Retries(attempts=8, first_wait=0.01, longest_wait=0.02))
    monkeypatch.setattr(page_size, "FIRST_WAIT", 0.01)


@pytest.fixture
async def github() -> AsyncIterator[GitHubSimulator]:
    """With two people, organisation `octo`, and no repository."""
    world = World(seed=1)
    for login in ("ada", "grace"):
        world.add_owner(login, "User")
    world.add_owner("octo")
    async with serve_github(GitHubSimulator(world)) as simulator:
        yield simulator


@pytest.fixture
def world(github: GitHubSimulator) -> World:
    return github.world


@pytest.fixture
def app(world: World) -> Thing:
    """Repository octo/app, empty."""
    return world.add_repository("octo", "app")
