"""`integrations test`: who we are, what may be read, what is missing by its name."""

from __future__ import annotations

import pytest

from etl_core.connector import Finding
from etl_core.errors import Unauthorised
from tests.simulators.github import GitHubSimulator, World
from tests.simulators.github.world import Thing
from tests.workers.connectors.github.reading import connector_of


async def look(github: GitHubSimulator, **settings: object) -> dict[str, Finding]:
    return {finding.what: finding for finding in await connector_of(github, **settings).check()}


async def test_all_is_well(github: GitHubSimulator, world: World, app: Thing) -> None:
    world.add_repository("octo", "api", isPrivate=True)
    found = await look(github)
    assert {finding.state for finding in found.values()} == {"ok"}
    assert "ada" in found["credential"].detail
    assert found["scopes"].detail == "read:org, repo"
    assert "2 repositories" in found["octo"].detail
    assert "1 not public" in found["octo"].detail
    assert "of 5,000 points of GraphQL" in found["rate limit"].detail


async def test_missing_scopes_are_named(github: GitHubSimulator, app: Thing) -> None:
    github.access.add("ghp_public", ("public_repo",))
    found = await look(github, token="ghp_public")
    assert found["scope repo"].state == "missing"
    assert "scope repo" in found["scope repo"].remedy
    assert found["scope read:org"].state == "missing"


async def test_a_fine_grained_token_tells_nothing_of_itself(github: GitHubSimulator, app: Thing) -> None:
    github.access.add("github_pat_x", None)
    found = await look(github, token="github_pat_x")
    assert found["scopes"].state == "unknown"
    assert "Pull requests" in found["scopes"].remedy


async def test_each_place_that_cannot_be_read_is_named(github: GitHubSimulator, app: Thing) -> None:
    found = await look(github, owners=["octo", "nobody"], repositories=["octo/none", "octo/app"])
    assert found["nobody"].state == "failed"
    assert found["octo/none"].state == "failed"
    assert found["octo/app"].state == "ok"
    assert all("\n" not in finding.detail + finding.remedy for finding in found.values())


async def test_patterns_that_leave_nothing_are_told(github: GitHubSimulator, app: Thing) -> None:
    found = await look(github, include=["octo/x*"])
    assert found["octo"].state == "missing"


async def test_a_renamed_repository_is_told(github: GitHubSimulator, world: World, app: Thing) -> None:
    world.rename(app, "service")
    found = await look(github, repositories=["octo/app"])
    assert "octo/service" in found["octo/app"].detail


async def test_a_refused_token_is_no_finding(github: GitHubSimulator, app: Thing) -> None:
    with pytest.raises(Unauthorised):
        await look(github, token="ghp_wrong")
