"""What a site does that silently loses, doubles or stops: each trap by itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from etl_core.errors import Permanent
from etl_core.testing.walking import Destination, run, run_fresh
from tests.simulators.faults import Fault
from tests.simulators.jira import JiraSimulator, World, serve_jira
from tests.simulators.jira.faults import EMPTY_PAGE, EXPIRED_PAGE_TOKEN, FALSE_LAST, REPEATED_TOKEN
from tests.workers.connectors.jira.sites import assert_loaded, config_of, connector_of
from workers.connectors.jira.client import open_client

MINUTE = 60_000


def bookmark(loaded: Destination) -> dict[str, Any]:
    found = loaded.checkpoint["issues", "default"].bookmark
    assert found is not None
    return found


async def test_the_old_search_is_gone(site: JiraSimulator) -> None:
    loaded, _ = await run_fresh(connector_of(site))
    assert_loaded(loaded, site)
    assert ("POST", "/rest/api/3/search") not in site.calls
    async with open_client(config_of(site)) as client:
        with pytest.raises(Permanent, match=r"410 Gone.*search/jql"):
            await client._source.get_json("/rest/api/3/search")


async def test_fields_are_asked_for_by_name(site: JiraSimulator) -> None:
    """Without, a page holds ids only."""
    async with open_client(config_of(site)) as client:
        bare = await client.search("updated >= 0 ORDER BY updated ASC", [], size=5, token=None)
        assert set(bare.issues[0]) == {"id"}
    loaded, _ = await run_fresh(connector_of(site))
    assert all(row["summary"] for row in loaded.rows["issues"].values())


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
async def test_the_time_zone_of_the_account_changes_nothing(zone: str) -> None:
    """A date in JQL would be read in it, with minutes at best."""
    async with serve_jira(JiraSimulator(World(3, issues=12), zone=zone)) as site:
        loaded, _ = await run_fresh(connector_of(site))
        for _ in range(4):
            site.world.pass_time(20_000)
            site.world.create_issue()
            site.world.settle()
            await run(connector_of(site, overlap_minutes=1), loaded)
            assert_loaded(loaded, site, zone)
        assert site.queries
        assert all(re.search(r"updated >= \d+( |$)", jql) and '"' not in jql for jql in site.queries)


async def test_a_late_index_loses_nothing(site: JiraSimulator) -> None:
    """An issue that was updated before the bookmark appears in the index after it."""
    world = site.world
    world.lag_ms = 4 * MINUTE
    loaded, _ = await run_fresh(connector_of(site))
    for _ in range(12):
        world.pass_time(30_000)
        for _ in range(4):
            world.change_something()
        await run(connector_of(site, overlap_minutes=5, census_every=1), loaded)
    world.settle()
    await run(connector_of(site, overlap_minutes=5, census_every=1), loaded)
    assert_loaded(loaded, site)


async def test_the_bookmark_is_what_was_seen_and_never_the_present(site: JiraSimulator) -> None:
    world = site.world
    loaded, _ = await run_fresh(connector_of(site))
    newest = max(issue.updated for issue in world.issues.values())
    world.pass_time(90 * MINUTE)
    await run(connector_of(site), loaded)
    assert bookmark(loaded)["updated"] == newest
    before = len(site.queries)
    await run(connector_of(site), loaded)
    assert f"updated >= {(newest - 10 * MINUTE) // 1_000 * 1_000} " in site.queries[before]


async def test_an_index_that_is_late_while_the_list_goes_on(
    site: JiraSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk that follows the end of the list for longer than the overlap passes what is not there yet."""
    world = site.world
    late, busy = sorted(world.issues)[:2]
    loaded, _ = await run_fresh(connector_of(site))
    world.lag_ms = 0
    with monkeypatch.context() as patched:
        patched.setattr(world.random, "randrange", lambda _: 3 * MINUTE)
        world.edit_issue(late)
    edits = iter(range(40))

    def edit() -> None:
        if next(edits, None) is not None:
            world.edit_issue(busy)

    monkeypatch.setattr(world, "change_something", edit)
    site.request_ms, site.changes_per_request = 20_000, 2.0
    begin = world.now_ms
    await run(connector_of(site, overlap_minutes=4), loaded)
    assert next(edits, None) is None
    assert world.now_ms - begin > 7 * MINUTE
    site.freeze()
    await run(connector_of(site, overlap_minutes=4), loaded)
    assert_loaded(loaded, site)


async def test_an_issue_of_the_future_hides_none_of_the_present(site: JiraSimulator) -> None:
    world = site.world
    world.edit_issue(min(world.issues), updated=world.now_ms + 400 * 24 * 60 * MINUTE)
    world.settle()
    loaded, _ = await run_fresh(connector_of(site))
    assert bookmark(loaded)["updated"] <= world.now_ms
    world.pass_time(MINUTE)
    world.create_issue()
    world.settle()
    await run(connector_of(site), loaded)
    assert_loaded(loaded, site)


@pytest.mark.parametrize("fault", [FALSE_LAST, EMPTY_PAGE], ids=lambda fault: fault.name)
async def test_the_end_is_a_missing_token(site: JiraSimulator, fault: Any) -> None:
    site.faults.tell(*[fault] * 5, match=lambda request: request.path.endswith("/search/jql"))
    loaded, _ = await run_fresh(connector_of(site))
    assert not site.faults.untold
    assert_loaded(loaded, site)


async def test_tokens_that_expire_are_replaced_by_the_value_they_stand_for(site: JiraSimulator) -> None:
    world = site.world
    world.bulk_edit(sorted(world.issues)[:20])  # so many in one second that tokens are needed
    world.settle()
    site.faults.tell(*[EXPIRED_PAGE_TOKEN] * 2, match=_has_token(site))
    loaded, _ = await run_fresh(connector_of(site))
    assert not site.faults.untold
    assert_loaded(loaded, site)


async def test_a_token_that_comes_again_is_refused(site: JiraSimulator) -> None:
    world = site.world
    world.bulk_edit(sorted(world.issues)[:20])
    world.settle()
    site.faults.tell(REPEATED_TOKEN, match=_has_token(site))
    loaded = Destination()
    with pytest.raises(Exception, match="same page token twice"):
        await run(connector_of(site), loaded)
    await run(connector_of(site), loaded)
    assert_loaded(loaded, site)


async def test_tokens_are_kept_in_no_checkpoint(site: JiraSimulator) -> None:
    site.world.bulk_edit(sorted(site.world.issues)[:20])
    site.world.settle()
    for pages in range(1, 15):
        loaded = Destination()
        await run(connector_of(site), loaded, stop_after=pages)
        assert "oken" not in str(loaded.checkpoint)


async def test_a_moved_issue_stays_the_same(site: JiraSimulator) -> None:
    loaded, _ = await run_fresh(connector_of(site))
    moved = sorted(site.world.issues)[3]
    before = site.world.issues[moved].key
    after = site.world.move_issue(moved).key
    site.world.settle()
    await run(connector_of(site), loaded)
    assert before != after
    assert [row["key"] for row in loaded.rows["issues"].values() if row["id"] == str(moved)] == [after]
    assert_loaded(loaded, site)


async def test_moved_while_it_is_read_it_is_in_one_place(
    site: JiraSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of a project that was read already into one that was not, and the other way round."""
    site.changes_per_request = 1.0
    world = site.world
    monkeypatch.setattr(world, "change_something", lambda: world.move_issue(world._some_issue()))
    loaded, _ = await run_fresh(connector_of(site))
    assert {row["id"] for row in loaded.rows["issues"].values()} == {str(each) for each in world.issues}
    site.freeze()
    await run(connector_of(site), loaded)
    assert_loaded(loaded, site)


async def test_changelogs_are_whole(site: JiraSimulator, data_center: JiraSimulator) -> None:
    """A search carries 40 entries of an issue; one has 97."""
    for each in (site, data_center):
        longest = max(each.world.issues.values(), key=lambda issue: len(issue.histories))
        assert len(longest.histories) > 90
        loaded, _ = await run_fresh(connector_of(each))
        entries = [r for r in loaded.rows["changelogs"].values() if r["issue_id"] == str(longest.id)]
        assert len(entries) == len(longest.histories)


async def test_comments_and_worklogs_are_whole(site: JiraSimulator) -> None:
    """An issue carries 20 of each; one has 45."""
    loaded, _ = await run_fresh(connector_of(site))
    for kind in ("comments", "worklogs"):
        longest = max(site.world.issues.values(), key=lambda issue: len(getattr(issue, kind)))
        found = [row for row in loaded.rows[kind].values() if row["issue_id"] == str(longest.id)]
        assert len(found) == 45


async def test_a_short_page_of_users_is_not_the_last(
    site: JiraSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.connectors.jira.client.USER_PAGE", 2)
    loaded, _ = await run_fresh(connector_of(site))
    seen = [user for place, user in enumerate(site.world.users) if place % 4 != 3]
    assert {row["id"] for row in loaded.rows["users"].values()} == set(seen)


async def test_a_list_that_changes_while_it_is_read_is_read_again(
    site: JiraSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.connectors.jira.client.LIST_PAGE", 1)
    world = site.world

    def lose_one(request: Any) -> bool:
        if (
            request.path.endswith("/project/search")
            and request.query["startAt"] == "1"
            and len(world.projects) == 3
        ):
            world.delete_project(min(world.projects))
        return False

    site.faults.tell(FALSE_LAST, match=lose_one)
    async with open_client(config_of(site)) as client:
        assert {project.id for project in await client.projects()} == set(world.projects)


async def test_a_kanban_board_has_no_sprints(site: JiraSimulator) -> None:
    loaded, _ = await run_fresh(connector_of(site, streams=["boards", "sprints"]))
    assert {row["id"] for row in loaded.rows["sprints"].values()} == set(site.world.sprints)
    assert not loaded.failures


async def test_an_answer_without_its_list_is_no_end(site: JiraSimulator) -> None:
    nonsense = Fault("an object of something else", body=b'{"message": "try later"}')
    site.faults.tell(nonsense, match=lambda request: request.path.endswith("/search/jql"))
    with pytest.raises(Exception, match="not what Jira answers"):
        await run_fresh(connector_of(site))


async def test_streams_that_are_wanted_later_are_read_from_their_start(site: JiraSimulator) -> None:
    loaded, _ = await run_fresh(connector_of(site, streams=["issues"]))
    assert "comments" not in loaded.rows
    await run(connector_of(site), loaded)
    assert_loaded(loaded, site)


async def test_only_the_projects_that_are_wanted(site: JiraSimulator) -> None:
    loaded, _ = await run_fresh(connector_of(site, projects=["OPS", "D*"], exclude_projects=["DATA"]))
    assert {row["project_key"] for row in loaded.rows["issues"].values()} == {"OPS"}


def _has_token(site: JiraSimulator) -> Any:
    """Whether a search goes on: its body is not read yet, but it is longer by a token."""
    return lambda request: request.path.endswith("/search/jql") and (request.content_length or 0) > 200


async def test_a_key_that_no_project_has(site: JiraSimulator) -> None:
    """Beside others it gives nothing; alone it fails the run, which would succeed unchanged for ever."""
    key = next(iter(site.world.projects.values())).key
    loaded, _ = await run_fresh(connector_of(site, projects=[key, "NOPE"]))
    assert {row["key"].split("-")[0] for row in loaded.rows["issues"].values()} == {key}
    with pytest.raises(Permanent, match=r"none of the \d+ projects .* is NOPE: correct `projects`"):
        await run_fresh(connector_of(site, projects=["NOPE"]))
