"""Issues, commits, releases, deployments, workflow runs: the traps of each list."""

from __future__ import annotations

from datetime import timedelta

from tests.simulators.github import GitHubSimulator, World, changing
from tests.simulators.github import faults as kinds
from tests.simulators.github.world import Thing, at
from tests.workers.connectors.github.reading import asked_for, expect_all, on_page, read, state_of, titles
from workers.connectors.github import releases


def open_issues(world: World, app: Thing, count: int) -> list[Thing]:
    made = []
    for _ in range(count):
        world.now += timedelta(minutes=20)
        made.append(world.add_issue(app))
    return made


# -- issues --------------------------------------------------------------------------------------------------


async def test_an_issue_that_is_updated_while_paging_moves_to_the_end(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    issues = open_issues(world, app, 9)

    def edit() -> None:
        world.now += timedelta(minutes=1)
        world.touch(issues[1], title="seen already")
        world.touch(issues[7], title="not seen yet")

    on_page(github, "issues", 2, edit)
    loaded = await read(github, page_size=1, streams=["issues"])
    assert (titles(loaded, "issues")[2], titles(loaded, "issues")[8]) == ("seen already", "not seen yet")
    expect_all(github, loaded)


async def test_more_issues_than_a_page_were_updated_in_one_second(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    for _ in range(23):
        world.add_issue(app)
    for stop in (1, 4, 9):
        loaded = await read(github, page_size=1, streams=["issues"], stop_after=stop)
        await read(github, loaded, page_size=1, streams=["issues"])
        expect_all(github, loaded)


async def test_an_issue_walk_whose_cursor_is_refused_goes_on_by_time(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    open_issues(world, app, 12)
    loaded = await read(github, page_size=2, streams=["issues"], stop_after=2)
    state = state_of(loaded, "issues")
    assert state.resume is not None
    state.resume["cursor"] = "bm90IGEgY3Vyc29y"
    await read(github, loaded, page_size=2, streams=["issues"])
    expect_all(github, loaded)
    assert asked_for(github, "issues")[-1]["since"] is not None


async def test_an_issue_run_asks_only_for_what_is_new(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    issues = open_issues(world, app, 40)
    loaded = await read(github, streams=["issues", "issue_comments"])
    world.now += timedelta(hours=1)
    world.add_comment(issues[0])
    world.touch(issues[0])
    await read(github, loaded, streams=["issues", "issue_comments"])
    assert loaded.records <= 4
    expect_all(github, loaded)


async def test_comments_of_issues_that_are_gone_are_gone(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    (issue,) = open_issues(world, app, 1)
    for _ in range(30):
        world.add_comment(issue)
    loaded = await read(github, streams=["issues", "issue_comments"])
    world.remove(issue["_comments"][4], issue["_comments"])
    world.touch(issue)
    await read(github, loaded, streams=["issues", "issue_comments"])
    assert len(loaded.rows["issue_comments"]) == 29
    expect_all(github, loaded)


# -- commits -------------------------------------------------------------------------------------------------


def push(world: World, app: Thing, count: int) -> None:
    for _ in range(count):
        world.now += timedelta(minutes=1)
        changing.push(world, app)


async def test_commits_that_a_merge_brings_are_older_than_the_head_before(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    push(world, app, 30)
    loaded = await read(github, streams=["commits"], page_size=2)
    world.add_pull_request(app)
    changing.merge_pull(world, app)
    await read(github, loaded, streams=["commits"], page_size=2)
    expect_all(github, loaded)


async def test_new_commits_cost_what_is_new(github: GitHubSimulator, world: World, app: Thing) -> None:
    push(world, app, 60)
    loaded = await read(github, streams=["commits"], page_size=2)
    push(world, app, 3)
    github.queries = []
    await read(github, loaded, streams=["commits"], page_size=2)
    assert loaded.records == 3
    assert len(asked_for(github, "history")) == 1
    expect_all(github, loaded)


async def test_pushed_while_history_is_walked(github: GitHubSimulator, world: World, app: Thing) -> None:
    push(world, app, 30)
    since = world.history.now
    on_page(github, "history", 2, lambda: push(world, app, 5))
    loaded = await read(github, streams=["commits"], page_size=2)
    expect_all(github, loaded, since)
    assert len({variables["head"] for variables in asked_for(github, "history")}) == 1
    await read(github, loaded, streams=["commits"], page_size=2)
    expect_all(github, loaded)


async def test_after_a_forced_push_history_is_walked_once(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    push(world, app, 10)
    loaded = await read(github, streams=["commits"], page_size=2)
    root = changing.root(app)
    world.push(app, world.add_commit(app, parents=root))
    await read(github, loaded, streams=["commits"], page_size=2)
    assert app["_head"] in {oid for _, oid in loaded.rows["commits"]}
    await read(github, loaded, streams=["commits"], page_size=2)
    assert loaded.records == 0


async def test_killed_within_history_it_goes_on(github: GitHubSimulator, world: World, app: Thing) -> None:
    push(world, app, 30)
    loaded = await read(github, streams=["commits"], page_size=2)
    push(world, app, 20)
    for _ in range(3):
        await read(github, loaded, streams=["commits"], page_size=2, stop_after=2)
        push(world, app, 1)
    await read(github, loaded, streams=["commits"], page_size=2)
    expect_all(github, loaded)


# -- releases ------------------------------------------------------------------------------------------------


async def test_releases_are_all_read_again(github: GitHubSimulator, world: World, app: Thing) -> None:
    made = [world.add_release(app) for _ in range(4)]
    loaded = await read(github, streams=["releases"])
    world.touch(made[0], description="edited")
    world.remove(made[1], app["_releases"])
    await read(github, loaded, streams=["releases"])
    expect_all(github, loaded)
    for release in list(app["_releases"]):
        world.remove(release, app["_releases"])
    await read(github, loaded, streams=["releases"])
    expect_all(github, loaded)


async def test_more_releases_than_a_page_holds_are_loaded_in_several(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    for _ in range(releases.MOST_TOGETHER + 150):
        world.add_release(app)
    loaded = await read(github, streams=["releases"], stop_after=1)
    assert state_of(loaded, "releases").resume is not None
    await read(github, loaded, streams=["releases"])
    expect_all(github, loaded)


# -- deployments and workflow runs ---------------------------------------------------------------------------


async def test_deployments_that_changed_lately_are_read_again(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    now = world.now
    for days in (90, 60, 20, 1):
        world.add_deployment(app, createdAt=at(now - timedelta(days=days)))
    loaded = await read(github, streams=["deployments"])
    world.touch(app["_deployments"][2], state="ACTIVE")
    world.add_deployment(app)
    await read(github, loaded, streams=["deployments"])
    expect_all(github, loaded)
    assert loaded.records == 3


async def test_workflow_runs_of_one_second_fill_more_than_a_page(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    for _ in range(230):
        world.add_workflow_run(app)
    world.now += timedelta(seconds=5)
    for _ in range(20):
        world.add_workflow_run(app)
    for stop in (1, 2, 3):
        loaded = await read(github, streams=["workflow_runs"], stop_after=stop)
        await read(github, loaded, streams=["workflow_runs"])
        expect_all(github, loaded)


async def test_workflow_runs_that_come_and_go_while_paging_shift_nothing(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    """Numbered pages would miss one for each that is deleted before them."""
    for _ in range(350):
        world.now += timedelta(seconds=10)
        world.add_workflow_run(app)
    since = world.history.now
    connector_pages = 0

    def shift() -> None:
        nonlocal connector_pages
        connector_pages += 1
        for run in app["_workflow_runs"][-5:]:
            app["_workflow_runs"].remove(run)
            world.history.note_gone(run)

    github.before_rest = shift
    loaded = await read(github, streams=["workflow_runs"])
    assert connector_pages >= 4
    lost = [
        each
        for each in world.history.differences({"workflow_runs": loaded.rows["workflow_runs"]}, since)
        if each.endswith("lost")
    ]
    assert not lost


async def test_a_workflow_that_is_run_again_is_read_again(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    run = world.add_workflow_run(app, status="completed", conclusion="failure")
    loaded = await read(github, streams=["workflow_runs"])
    run |= {"status": "in_progress", "conclusion": None, "run_attempt": 2}
    world.note(run)
    await read(github, loaded, streams=["workflow_runs"])
    expect_all(github, loaded)


async def test_rest_refuses_with_its_own_limit(github: GitHubSimulator, world: World, app: Thing) -> None:
    world.add_workflow_run(app)
    github.faults.tell(kinds.SECONDARY_UNTIL, match=lambda request: request.path.endswith("/runs"))
    loaded = await read(github, streams=["workflow_runs"])
    assert github.faults.untold == 0
    expect_all(github, loaded)
