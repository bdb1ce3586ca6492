"""Which repositories are read, and what becomes of those that are renamed, deleted or hidden from us."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from etl_core.testing.walking import Destination
from tests.simulators.github import GitHubSimulator, World
from tests.simulators.github.world import Thing
from tests.workers.connectors.github.reading import (
    expect_all,
    failures_of,
    on_page,
    read,
    state_of,
    titles,
)
from workers.connectors.github.config import GitHubConfig

FEW = ("repositories", "pull_requests", "issues", "commits")


def names_in(loaded: Destination) -> set[str]:
    rows = loaded.rows.get("repositories", {})
    return {row["name_with_owner"] for row in rows.values()}


# -- which ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"octo/app", "octo/api", "octo/fork"}),
        ({"forks": False}, {"octo/app", "octo/api"}),
        ({"archived": True}, {"octo/app", "octo/api", "octo/fork", "octo/old"}),
        ({"include": ["OCTO/a*"]}, {"octo/app", "octo/api"}),
        ({"include": ["octo/a*"], "exclude": ["*/api"]}, {"octo/app"}),
        ({"owners": ["octo", "ada"]}, {"octo/app", "octo/api", "octo/fork", "ada/dotfiles"}),
        ({"repositories": ["octo/old", "ada/dotfiles"]}, {"octo/old", "ada/dotfiles"}),
        ({"owners": ["ada"], "repositories": ["octo/api"]}, {"ada/dotfiles", "octo/api"}),
    ],
)
async def test_owners_lists_and_patterns(
    github: GitHubSimulator, world: World, app: Thing, settings: dict[str, Any], expected: set[str]
) -> None:
    world.add_repository("octo", "api")
    world.add_repository("octo", "old", isArchived=True)
    world.add_repository("octo", "fork", isFork=True)
    world.add_repository("ada", "dotfiles")
    assert names_in(await read(github, streams=["repositories"], **settings)) == expected


async def test_more_repositories_than_a_page(github: GitHubSimulator, world: World) -> None:
    for number in range(230):
        world.add_repository("octo", f"r{number}")
    loaded = await read(github, streams=["repositories"])
    expect_all(github, loaded)


async def test_one_that_is_empty_of_everything_is_no_trouble(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    loaded = await read(github)
    assert not loaded.failures
    expect_all(github, loaded)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "either token or app"),
        ({"token": "t"}, "owners or repositories"),
        ({"token": "t", "owners": ["octo/app"]}, "owners"),
        ({"token": "t", "repositories": ["octo"]}, "repositories"),
        ({"token": "t", "owners": ["octo"], "api_url": "https://github.com"}, "api.github.com"),
        ({"token": "t", "owners": ["octo"], "api_url": "ftp://x"}, "API's root"),
        ({"token": "t", "owners": ["octo"], "streams": ["stars"]}, "streams"),
        ({"token": "t", "owners": ["octo"], "streams": []}, "streams"),
        ({"token": "t", "owners": ["octo"], "include": ["a b"]}, "pattern"),
    ],
)
def test_a_configuration_that_cannot_be_right(config: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        GitHubConfig.model_validate(config)


# -- what becomes of them ------------------------------------------------------------------------------------


async def test_renamed_it_takes_its_bookmarks_along(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    for _ in range(30):
        world.add_issue(app)
        world.pass_time()
    loaded = await read(github, streams=FEW)
    bookmark = state_of(loaded, "issues").bookmark
    world.rename(app, "service")
    world.touch(app["_issues"][0], title="after the move")
    await read(github, loaded, streams=FEW, overlap_minutes=0)
    assert titles(loaded, "issues")[1] == "after the move"
    assert loaded.records < 10, "it was read from the beginning"
    assert state_of(loaded, "issues").bookmark is None
    moved = state_of(loaded, "issues", "octo/service").bookmark
    assert moved is not None
    assert bookmark is not None
    assert moved["repository_id"] == bookmark["repository_id"]
    assert names_in(loaded) == {"octo/service"}
    assert not loaded.failures


async def test_a_new_one_with_the_old_name_is_another(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    world.add_issue(app)
    loaded = await read(github, streams=FEW)
    world.rename(app, "service")
    successor = world.add_repository("octo", "app")
    world.add_issue(successor, title="of the new one")
    await read(github, loaded, streams=FEW)
    expect_all(github, loaded)
    await read(github, loaded, streams=FEW)
    expect_all(github, loaded)


async def test_named_by_an_earlier_name_it_is_found(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    world.rename(app, "service")
    loaded = await read(github, repositories=["octo/app"], streams=FEW)
    assert names_in(loaded) == {"octo/service"}
    assert not loaded.failures


async def test_gone_it_is_marked_so_and_the_others_are_read(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    api = world.add_repository("octo", "api")
    world.add_repository("octo", "docs")
    world.add_issue(app)
    loaded = await read(github, streams=FEW)
    world.take_away(app)
    world.add_issue(api)
    await read(github, loaded, streams=FEW)
    assert names_in(loaded) == {"octo/api", "octo/docs"}
    assert not loaded.failures
    assert titles(loaded, "issues"), "what it had stays"
    expect_all(github, loaded)


async def test_private_from_now_on_it_is_gone_for_a_token_without_the_scope(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    world.add_repository("octo", "api")
    github.access.add("ghp_public", ())
    loaded = await read(github, token="ghp_public", streams=FEW)
    app["isPrivate"] = True
    await read(github, loaded, token="ghp_public", streams=FEW)
    assert names_in(loaded) == {"octo/api"}
    assert not loaded.failures


async def test_taken_away_while_it_is_read_only_its_partitions_fail(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    api = world.add_repository("octo", "api")
    for repo in (app, api):
        for _ in range(9):
            world.add_issue(repo)
            world.pass_time()
    on_page(github, "issues", 2, lambda: world.take_away(app))
    loaded = await read(github, streams=FEW, page_size=2)
    told = {(failed.stream, failed.partition) for failed in loaded.failures}
    assert ("issues", "octo/app") in told
    assert all(partition == "octo/app" for _, partition in told)
    assert "deleted or moved" in str(loaded.failures[0].error)
    assert sum(row["repository_id"] == api["id"] for row in loaded.rows["issues"].values()) == 9


async def test_an_owner_or_repository_that_is_not_there_is_told(github: GitHubSimulator, app: Thing) -> None:
    told = await failures_of(github, owners=["octo", "nobody"], repositories=["octo/none"], streams=FEW)
    assert len(told) == 2
    assert "nobody" in told[0]
    assert "octo/none" in told[1]


async def test_an_owner_that_cannot_be_read_takes_no_repository_away(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    world.add_repository("ada", "dotfiles")
    loaded = await read(github, owners=["octo", "ada"], streams=FEW)
    del world.owners["ada"]
    await read(github, loaded, owners=["octo", "ada"], streams=FEW)
    assert names_in(loaded) == {"octo/app", "ada/dotfiles"}
    assert len(loaded.failures) == 1


async def test_another_enterprise_server_is_asked_at_its_own_addresses(world: World) -> None:
    from tests.simulators.github import serve_github

    world.add_issue(world.add_repository("octo", "app"))
    async with serve_github(GitHubSimulator(world, enterprise=True)) as server:
        loaded = await read(server)
        assert server.url.endswith("/api/v3")
        assert {path for _, path in server.calls} >= {"/api/graphql", "/api/v3/repos/octo/app/actions/runs"}
        expect_all(server, loaded)
