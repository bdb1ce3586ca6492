"""Rate limits: obeyed, waited for in place when they are short, parked when not, shared by all that ask."""

from __future__ import annotations

from datetime import timedelta

import pytest

from etl_core.budgets import ProcessBudgets
from etl_core.connector import ExtractContext
from etl_core.errors import RateLimited, Unauthorised
from etl_core.testing.walking import pages_of
from tests.simulators.faults import SKEWED_AHEAD, SKEWED_BEHIND, Fault
from tests.simulators.github import GitHubSimulator, World
from tests.simulators.github import faults as kinds
from tests.simulators.github.access import TOKEN
from tests.simulators.github.world import Thing
from tests.workers.connectors.github.reading import connector_of, expect_all, read
from workers.connectors.github import answers


async def read_with(github: GitHubSimulator, budgets: ProcessBudgets) -> None:
    connector = connector_of(github)
    context = ExtractContext(budgets=budgets)
    await connector.discover(context)
    async for _ in pages_of(connector, context):
        pass


async def test_the_hour_is_used_up_the_run_is_parked_until_it_is_over(
    github: GitHubSimulator, app: Thing
) -> None:
    limit = github.access.credentials[TOKEN].limits.graphql
    limit.capacity, limit.window = 3, 1_200
    with pytest.raises(RateLimited, match="limit") as parked:
        await read(github)
    until = parked.value.until
    assert isinstance(until, timedelta)
    assert timedelta(minutes=15) < until <= timedelta(minutes=21)


async def test_nobody_with_the_same_credential_asks_meanwhile(github: GitHubSimulator, app: Thing) -> None:
    limit = github.access.credentials[TOKEN].limits.graphql
    limit.capacity, limit.window = 3, 1_200
    budgets = ProcessBudgets()
    with pytest.raises(RateLimited):
        await read_with(github, budgets)
    asked = github.answered
    with pytest.raises(RateLimited):
        await read_with(github, budgets)
    assert github.answered == asked


async def test_what_others_used_up_is_seen_by_the_first_answer(github: GitHubSimulator, app: Thing) -> None:
    limit = github.access.credentials[TOKEN].limits.graphql
    limit.window = 1_200
    limit.take(4_999)
    budgets = ProcessBudgets()
    with pytest.raises(RateLimited):
        await read_with(github, budgets)
    assert github.answered == 1, "it asked on until it was refused"


async def test_a_short_window_is_waited_for(github: GitHubSimulator, app: Thing) -> None:
    limit = github.access.credentials[TOKEN].limits.graphql
    limit.capacity, limit.window = 6, 1.5
    expect_all(github, await read(github, streams=["repositories", "issues", "commits"]))


@pytest.mark.parametrize(
    "fault", [kinds.SECONDARY_200, kinds.SECONDARY_403, kinds.SECONDARY_UNTIL], ids=lambda f: str(f.name)
)
async def test_a_secondary_limit_is_waited_for(
    github: GitHubSimulator, app: Thing, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "UNSAID_WAIT", timedelta(seconds=1))
    github.faults.tell(fault)
    expect_all(github, await read(github, streams=["issues"]))


async def test_a_secondary_limit_that_lasts_parks_the_run(github: GitHubSimulator, app: Thing) -> None:
    github.secondary_seconds = 300
    github.faults.tell(kinds.SECONDARY_UNTIL)
    with pytest.raises(RateLimited) as parked:
        await read(github)
    assert parked.value.until == timedelta(seconds=300)


@pytest.mark.parametrize("fault", [SKEWED_AHEAD, SKEWED_BEHIND], ids=lambda f: str(f.name))
async def test_a_clock_that_is_hours_off_stops_nothing(
    github: GitHubSimulator, world: World, app: Thing, fault: Fault
) -> None:
    for _ in range(12):
        world.add_issue(app)
    github.faults.tell(*[fault] * 20)
    expect_all(github, await read(github, page_size=1, streams=["issues", "issue_comments"]))


async def test_one_at_a_time(github: GitHubSimulator, world: World, app: Thing) -> None:
    """GitHub allows 100 requests at once; a run makes one."""
    world.add_issue(app)
    await read(github)
    assert github.most_at_once == 1


async def test_a_token_that_is_refused_holds_the_job(github: GitHubSimulator, app: Thing) -> None:
    with pytest.raises(Unauthorised, match="renew the credential") as told:
        await read(github, token="ghp_wrong0000000000000000000000000000000")
    assert "ghp_wrong" not in str(told.value)
