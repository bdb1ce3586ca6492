"""What is gone, and what may only not be seen any more."""

from __future__ import annotations

from typing import Any

import pytest

from etl_core.testing.walking import Destination, run, run_fresh
from tests.simulators.jira import JiraSimulator
from tests.workers.connectors.jira.sites import assert_loaded, connector_of


def issues_of(loaded: Destination, project: int) -> set[str]:
    return {row["id"] for row in loaded.rows["issues"].values() if row["project_id"] == str(project)}


async def runs(site: JiraSimulator, loaded: Destination, count: int, **settings: Any) -> None:
    for _ in range(count):
        await run(connector_of(site, **settings), loaded)


async def test_deleted_issues_are_found_by_the_next_census(site: JiraSimulator) -> None:
    loaded, _ = await run_fresh(connector_of(site, census_every=3))
    gone = sorted(site.world.issues)[5]
    site.world.delete_issue(gone)
    site.world.settle()
    await runs(site, loaded, 2, census_every=3)
    assert str(gone) in {row["id"] for row in loaded.rows["issues"].values()}
    await runs(site, loaded, 1, census_every=3)
    assert_loaded(loaded, site)


async def test_a_census_asks_for_ids_of_what_is_old(site: JiraSimulator) -> None:
    """And changes no row that it sees."""
    loaded, _ = await run_fresh(connector_of(site))
    before = dict(loaded.rows["issues"])
    await run(connector_of(site, census_every=1), loaded)
    assert loaded.rows["issues"] == before
    assert loaded.records > len(site.world.issues)


async def test_without_a_census_nothing_is_deleted(site: JiraSimulator) -> None:
    loaded, _ = await run_fresh(connector_of(site, census_every=0))
    site.world.delete_issue(sorted(site.world.issues)[5])
    site.world.settle()
    await runs(site, loaded, 3, census_every=0)
    assert len(loaded.rows["issues"]) == len(site.world.issues) + 1


async def test_issues_of_a_project_that_may_not_be_seen_any_more_stay(site: JiraSimulator) -> None:
    world = site.world
    loaded, _ = await run_fresh(connector_of(site, census_every=1))
    hidden = min(world.projects)
    kept = issues_of(loaded, hidden)
    world.forbid(hidden)
    gone = next(issue.id for issue in world.issues.values() if issue.project_id != hidden)
    world.delete_issue(gone)
    world.settle()
    await runs(site, loaded, 3, census_every=1)
    assert issues_of(loaded, hidden) == kept
    assert str(gone) not in {row["id"] for row in loaded.rows["issues"].values()}


async def test_what_changed_while_a_project_was_hidden_is_read_when_it_is_back(site: JiraSimulator) -> None:
    world = site.world
    loaded, _ = await run_fresh(connector_of(site))
    hidden = min(world.projects)
    world.forbid(hidden)
    await run(connector_of(site), loaded)
    changed = next(issue.id for issue in world.issues.values() if issue.project_id == hidden)
    world.edit_issue(changed)
    world.pass_time(3 * 3_600_000)
    world.edit_issue(next(issue.id for issue in world.issues.values() if issue.project_id != hidden))
    world.settle()
    await run(connector_of(site), loaded)
    world.allow(hidden)
    await run(connector_of(site), loaded)
    assert_loaded(loaded, site)


async def test_a_project_that_was_deleted_takes_its_issues_with_it(site: JiraSimulator) -> None:
    """Also when the census comes long after."""
    world = site.world
    loaded, _ = await run_fresh(connector_of(site, census_every=4))
    world.delete_project(min(world.projects))
    world.settle()
    await runs(site, loaded, 4, census_every=4)
    assert_loaded(loaded, site)


async def test_data_center_keeps_issues_of_projects_not_listed(data_center: JiraSimulator) -> None:
    world = data_center.world
    loaded, _ = await run_fresh(connector_of(data_center, census_every=1))
    lost = min(world.projects)
    kept = issues_of(loaded, lost)
    world.delete_project(lost)
    world.settle()
    await runs(data_center, loaded, 2, census_every=1)
    assert issues_of(loaded, lost) == kept


async def test_a_new_project_is_read_from_its_start(site: JiraSimulator) -> None:
    world = site.world
    hidden = min(world.projects)
    world.forbid(hidden)
    loaded, _ = await run_fresh(connector_of(site))
    assert not issues_of(loaded, hidden)
    world.allow(hidden)
    await run(connector_of(site), loaded)
    assert_loaded(loaded, site)


@pytest.mark.parametrize("every", [0, 1], ids=["walk", "census"])
async def test_a_project_that_is_lost_while_it_is_read(
    site: JiraSimulator, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that names it is refused from then on."""
    world = site.world
    keys = [project.key for project in world.projects.values()]
    loaded, _ = await run_fresh(connector_of(site, projects=keys, census_every=every))
    before = len(loaded.rows["issues"])
    lost = min(world.projects)
    searches = 0

    def lose(request: Any) -> bool:
        nonlocal searches
        searches += request.path.endswith("/search/jql")
        if searches == 2:
            world.forbid(lost)
        return False

    from tests.simulators.faults import CUT

    site.faults.tell(CUT, match=lose)
    world.bulk_edit(sorted(world.issues)[:20])
    world.settle()
    await run(connector_of(site, projects=keys, census_every=every), loaded)
    assert searches > 2
    assert len(loaded.rows["issues"]) == before
    world.allow(lost)
    await run(connector_of(site, projects=keys, census_every=every), loaded)
    assert_loaded(loaded, site)


async def test_a_project_that_is_left_out_from_now_on_keeps_its_rows(site: JiraSimulator) -> None:
    loaded, _ = await run_fresh(connector_of(site))
    await runs(site, loaded, 2, census_every=1, projects=["OPS"])
    assert_loaded(loaded, site)


async def test_children_that_are_deleted_go_at_once(site: JiraSimulator) -> None:
    world = site.world
    loaded, _ = await run_fresh(connector_of(site))
    for kind, delete in (("comments", world.delete_comment), ("worklogs", world.delete_worklog)):
        longest = max(world.issues.values(), key=lambda issue: len(getattr(issue, kind)))
        one = next(issue for issue in world.issues.values() if len(getattr(issue, kind)) == 1)
        delete(longest.id, getattr(longest, kind)[30].id)
        delete(one.id, getattr(one, kind)[0].id)
    world.settle()
    await run(connector_of(site), loaded)
    assert_loaded(loaded, site)


async def test_an_issue_that_may_be_seen_though_nothing_changed_comes_with_a_census_of_rows(
    site: JiraSimulator,
) -> None:
    world = site.world
    loaded, _ = await run_fresh(connector_of(site))
    hidden = min(world.issues)
    for stream in ("issues", "comments", "worklogs", "changelogs"):
        rows = loaded.rows[stream]
        column = "id" if stream == "issues" else "issue_id"
        loaded.rows[stream] = {key: row for key, row in rows.items() if row[column] != str(hidden)}
    await run(connector_of(site, census_every=1, census_reads="rows"), loaded)
    assert_loaded(loaded, site)
