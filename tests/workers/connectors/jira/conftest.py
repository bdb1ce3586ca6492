"""A simulated site for each test, and a client that does not wait long."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.simulators.jira import JiraSimulator, World, serve_jira
from workers.connectors.jira import client
from workers.http import Retries, Timeouts


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once; a connection that says nothing is given up soon."""
    monkeypatch.setattr(client, "RETRIES", Retries(attempts=6, first_wait=0.005, longest_wait=0.02))
    monkeypatch.setattr(client, "TIMEOUTS", Timeouts(connect=2.0, read=1.0, whole=2.0))


@pytest.fixture
async def site() -> AsyncIterator[JiraSimulator]:
    """Three projects, 30 issues; nothing happens unless a test makes it."""
    async with serve_jira(JiraSimulator(World(7, issues=30))) as simulator:
        yield simulator


@pytest.fixture
async def data_center() -> AsyncIterator[JiraSimulator]:
    async with serve_jira(JiraSimulator(World(7, issues=30), flavour="data_center")) as simulator:
        yield simulator
