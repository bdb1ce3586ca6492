"""Pull requests: what jumps while it is paged, lists that are long or change, what shows no update."""

from __future__ import annotations

from datetime import timedelta

import pytest

from etl_core.errors import Transient
from etl_core.testing.walking import Destination
from tests.simulators.faults import Fault
from tests.simulators.github import GitHubSimulator, World
from tests.simulators.github import faults as kinds
from tests.simulators.github.world import Thing
from tests.workers.connectors.github.reading import (
    PULLS,
    asked_for,
    expect_all,
    on_page,
    read,
    state_of,
    titles,
)
from workers.connectors.github import pull_requests


def open_pulls(world: World, app: Thing, count: int) -> list[Thing]:
    """Each some minutes younger than the one before."""
    made = []
    for _ in range(count):
        world.now += timedelta(minutes=20)
        made.append(world.add_pull_request(app, commits=1))
    return made


def edit(world: World, pull: Thing, title: str) -> None:
    world.now += timedelta(seconds=1)
    world.touch(pull, title=title)


# -- what jumps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [2, 3])
async def test_updated_while_paging_it_is_not_missed(
    github: GitHubSimulator, world: World, app: Thing, page: int
) -> None:
    """It jumps to the front, where the walk has been; it existed when the run began, so the run loads it."""
    pulls = open_pulls(world, app, 9)
    on_page(github, "pullRequests", page, lambda: edit(world, pulls[0], "jumped"))
    loaded = await read(github, page_size=3)
    assert titles(loaded)[1] == "jumped"
    expect_all(github, loaded)


async def test_jumping_again_and_again_it_is_loaded_in_the_end(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    pulls = open_pulls(world, app, 9)
    edits = 0

    def jump(_: object) -> None:
        nonlocal edits
        if edits < 12:
            edits += 1
            edit(world, pulls[edits % 9], f"edit {edits}")

    github.before_answer = jump
    loaded = await read(github, page_size=2, streams=["pull_requests"])
    expect_all(github, loaded)


async def test_a_repository_that_is_busier_than_the_walk_leaves_the_rest_to_the_next_run(
    github: GitHubSimulator, world: World, app: Thing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_requests, "MOST_PASSES", 3)
    pulls = open_pulls(world, app, 6)
    edits = 0

    def jump(_: object) -> None:
        nonlocal edits
        edits += 1
        for pull in pulls:
            edit(world, pull, f"edit {edits}")

    github.before_answer = jump
    loaded = await read(github, page_size=2, streams=["pull_requests"])
    assert state_of(loaded, "pull_requests").resume is None
    github.before_answer = None
    await read(github, loaded, streams=["pull_requests"])
    expect_all(github, loaded)


async def test_the_bookmark_moves_only_when_the_walk_reached_the_old_one(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    """Killed between, and cleared of its resume, the walk begins again at the old bookmark."""
    pulls = open_pulls(world, app, 3)
    loaded = await read(github, page_size=2)
    before = state_of(loaded, "pull_requests").bookmark
    open_pulls(world, app, 6)
    edit(world, pulls[0], "oldest changed")
    await read(github, loaded, page_size=2, stop_after=3)
    assert state_of(loaded, "pull_requests").bookmark == before
    assert state_of(loaded, "pull_requests").resume is not None
    loaded.forget_resumes()
    await read(github, loaded, page_size=2)
    expect_all(github, loaded)


async def test_an_overlap_is_read_again_and_changes_nothing(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    open_pulls(world, app, 40)
    loaded = await read(github, streams=["pull_requests"])
    rows = {stream: dict(table) for stream, table in loaded.rows.items()}
    await read(github, loaded, streams=["pull_requests"], overlap_minutes=60)
    assert 3 <= loaded.records < 10
    assert loaded.rows == rows


async def test_late_in_the_index_it_is_found_within_the_overlap(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    """A replica may show an update some minutes late, behind newer ones."""
    pulls = open_pulls(world, app, 3)
    loaded = await read(github, streams=["pull_requests"])
    pulls[1]["title"] = "late"
    pulls[1]["updatedAt"] = (world.now - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    world.note(pulls[1])
    await read(github, loaded, streams=["pull_requests"])
    assert titles(loaded)[2] == "late"


# -- cursors -------------------------------------------------------------------------------------------------


async def test_an_expired_cursor_begins_the_pass_again(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    open_pulls(world, app, 7)
    github.faults.tell(kinds.EXPIRED_CURSOR, match=lambda _: len(asked_for(github, "pullRequests")) == 2)
    loaded = await read(github, page_size=2, streams=["pull_requests"])
    assert github.faults.untold == 0
    expect_all(github, loaded)


async def test_a_stored_cursor_that_is_refused_is_no_end(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    open_pulls(world, app, 7)
    loaded = await read(github, page_size=2, streams=["pull_requests"], stop_after=2)
    state = state_of(loaded, "pull_requests")
    assert state.resume is not None
    state.resume["cursor"] = "bm90IGEgY3Vyc29y"
    await read(github, loaded, page_size=2, streams=["pull_requests"])
    expect_all(github, loaded)


# -- what belongs to them ------------------------------------------------------------------------------------


async def test_long_lists_are_continued(github: GitHubSimulator, world: World, app: Thing) -> None:
    (pull,) = open_pulls(world, app, 1)
    world.add_pull_commits(pull, 130)
    for _ in range(130):
        world.add_comment(pull)
    for _ in range(45):
        world.add_review(pull)
    for number in range(31):
        world.add_thread(pull, comments=125 if number in (0, 30) else 1)
    world.touch(pull)
    loaded = await read(github)
    expect_all(github, loaded)
    assert len(loaded.rows["review_comments"]) == 2 * 125 + 29
    assert len(loaded.rows["pull_request_commits"]) == 131
    assert all(variables["first"] <= 100 for variables in asked_for(github, "comments"))


async def test_a_list_that_shrinks_while_it_is_continued_is_read_again(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    (pull,) = open_pulls(world, app, 1)
    comments = [world.add_comment(pull) for _ in range(150)]
    on_page(github, "comments", 2, lambda: world.remove(comments[3], pull["_comments"]))
    loaded = await read(github, streams=["pull_requests", "pull_request_comments"])
    expect_all(github, loaded)
    assert len(asked_for(github, "comments")) > 2


async def test_children_that_are_gone_are_gone(github: GitHubSimulator, world: World, app: Thing) -> None:
    """Nothing tells of a deletion: all children of a changed pull request are replaced."""
    first, second = open_pulls(world, app, 2)
    for pull in (first, second):
        for _ in range(3):
            world.add_comment(pull)
        world.add_thread(pull, comments=2)
    loaded = await read(github)
    world.remove(first["_comments"][1], first["_comments"])
    world.remove(first["_threads"][0], first["_threads"])
    world.remove(first["_commits"][0], first["_commits"])  # pushed by force
    world.add_pull_commits(first, 1)
    world.touch(first)
    await read(github, loaded)
    expect_all(github, loaded)
    assert len(loaded.rows["pull_request_comments"]) == 5
    assert len(loaded.rows["review_threads"]) == 1


async def test_a_pending_review_becomes_the_review_that_it_is(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    """It has no `submittedAt`, so no time finds it: it comes with its pull request."""
    (pull,) = open_pulls(world, app, 1)
    pending = world.add_review(pull, "PENDING")
    loaded = await read(github, streams=PULLS)
    (row,) = loaded.rows["reviews"].values()
    assert (row["state"], row["submitted_at"]) == ("PENDING", None)
    world.touch(pending, state="APPROVED", submittedAt=pull["updatedAt"])
    world.touch(pull)
    await read(github, loaded, streams=PULLS)
    (row,) = loaded.rows["reviews"].values()
    assert row["state"] == "APPROVED"
    assert row["submitted_at"]


async def test_children_alone_bring_their_pull_requests(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    (pull,) = open_pulls(world, app, 1)
    world.add_thread(pull)
    loaded = await read(github, streams=["review_comments"])
    assert {name for name, rows in loaded.rows.items() if rows} == {"pull_requests", "review_comments"}


async def test_children_that_are_wanted_later_are_read_from_the_beginning(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    for pull in open_pulls(world, app, 30):
        world.add_review(pull)
    loaded = await read(github, streams=["pull_requests"])
    await read(github, loaded, streams=["pull_requests", "reviews"])
    assert len(loaded.rows["reviews"]) == 30
    await read(github, loaded, streams=["pull_requests", "reviews"])
    assert loaded.records < 5


# -- what shows no update ------------------------------------------------------------------------------------


def resolve(world: World, pull: Thing) -> None:
    pull["_threads"][0]["isResolved"] = True
    world.note(pull["_threads"][0])


def is_resolved(loaded: Destination) -> list[bool]:
    return [row["is_resolved"] for row in loaded.rows["review_threads"].values()]


async def test_open_ones_are_walked_again_now_and_then(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    """Whether resolving a thread moves `updatedAt` is not documented; here it does not."""
    pulls = open_pulls(world, app, 30)
    for pull in pulls:
        world.add_thread(pull)
    loaded = await read(github, streams=PULLS)
    resolve(world, pulls[0])
    await read(github, loaded, streams=PULLS)
    assert not any(is_resolved(loaded)), "a day has not passed"
    bookmark = state_of(loaded, "pull_requests").bookmark
    assert bookmark is not None
    bookmark["rechecked_at"] = "2026-01-01T00:00:00Z"
    await read(github, loaded, streams=PULLS, page_size=4)
    assert sum(is_resolved(loaded)) == 1
    assert state_of(loaded, "pull_requests").resume is None


async def test_killed_while_open_ones_are_walked_again_it_goes_on_there(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    pulls = open_pulls(world, app, 12)
    for pull in pulls:
        world.add_thread(pull)
    loaded = await read(github, streams=PULLS)
    resolve(world, pulls[0])
    edit(world, pulls[5], "changed")
    stop = 0
    while True:
        stop += 1
        await read(github, loaded, streams=PULLS, page_size=4, recheck_hours=0, stop_after=3)
        resume = state_of(loaded, "pull_requests").resume
        if resume and resume["phase"] == "recheck" and stop > 1:
            break
        assert stop < 20
    await read(github, loaded, streams=PULLS, page_size=4, recheck_hours=0)
    assert sum(is_resolved(loaded)) == 1
    expect_all(github, loaded)


# -- answers that are no answers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [kinds.PARTIAL, kinds.TIMED_OUT, kinds.TOO_MUCH], ids=lambda fault: str(fault.name)
)
async def test_a_part_of_the_data_is_not_taken_for_all(
    github: GitHubSimulator, world: World, app: Thing, fault: Fault
) -> None:
    open_pulls(world, app, 7)
    github.faults.tell(*[fault] * 3)
    loaded = await read(github, page_size=3)
    expect_all(github, loaded)


async def test_one_that_cannot_be_given_is_rejected_alone(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    pulls = open_pulls(world, app, 9)
    github.cannot_give = {pulls[4]["id"]}
    loaded = await read(github, page_size=4)
    assert sorted(titles(loaded)) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert not loaded.failures
    assert {reject.reason.split(",")[0] for reject in loaded.rejects} == {"GitHub cannot give pull request 5"}
    assert state_of(loaded, "pull_requests").resume is None
    github.cannot_give = set()
    edit(world, pulls[4], "at last")
    await read(github, loaded)
    expect_all(github, loaded)


async def test_many_that_cannot_be_given_are_no_bad_records(
    github: GitHubSimulator, world: World, app: Thing
) -> None:
    github.cannot_give = {pull["id"] for pull in open_pulls(world, app, 9)}
    loaded = await read(github, page_size=4, streams=["pull_requests"])
    (failed,) = loaded.failures
    assert isinstance(failed.error, Transient)
    assert failed.partition == "octo/app"
