"""What happens to a world by itself: one change at a time, drawn from its seed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from .world import Thing, World, at

Change = Callable[[World, Thing], None]


def change(world: World) -> str | None:
    """One thing happens in one of the repositories; its name."""
    repositories = [repo for repo in world.repositories.values() if not repo["isArchived"]]
    if not repositories:
        return None
    world.pass_time()
    (happening,) = world.rng.choices(list(CHANGES), weights=list(CHANGES.values()))
    happening(world, world.rng.choice(repositories))
    return happening.__name__


def _pull(world: World, repo: Thing, *, is_open: bool = False) -> Thing | None:
    """Any, but most often one of the recent."""
    pulls = [pull for pull in repo["_pull_requests"] if not is_open or pull["state"] == "OPEN"]
    if not pulls:
        return None
    chosen: Thing = world.rng.choice(pulls if world.rng.random() < 0.5 else pulls[-5:])
    return chosen


def comment(world: World, repo: Thing) -> None:
    parent = world.rng.choice([*repo["_issues"], *repo["_pull_requests"]])
    world.add_comment(parent)
    world.touch(parent)


def edit_comment(world: World, repo: Thing) -> None:
    parents = [parent for parent in (*repo["_issues"], *repo["_pull_requests"]) if parent["_comments"]]
    if parents:
        parent = world.rng.choice(parents)
        edited = world.rng.choice(parent["_comments"])
        world.touch(edited, body=f"Edited at {at(world.now)}", lastEditedAt=at(world.now))
        world.touch(parent)


def delete_comment(world: World, repo: Thing) -> None:
    parents = [parent for parent in (*repo["_issues"], *repo["_pull_requests"]) if parent["_comments"]]
    if parents:
        parent = world.rng.choice(parents)
        world.remove(world.rng.choice(parent["_comments"]), parent["_comments"])
        world.touch(parent)


def review(world: World, repo: Thing) -> None:
    if pull := _pull(world, repo, is_open=True):
        world.add_review(pull, world.rng.choice(["APPROVED", "CHANGES_REQUESTED", "COMMENTED"]))
        world.touch(pull)


def begin_review(world: World, repo: Thing) -> None:
    """A PENDING one: nobody but its author sees it, and the pull request stands as it stood."""
    if pull := _pull(world, repo, is_open=True):
        world.add_review(pull, "PENDING")


def submit_review(world: World, repo: Thing) -> None:
    for pull in repo["_pull_requests"]:
        for pending in pull["_reviews"]:
            if pending["state"] == "PENDING" and pull["state"] == "OPEN":
                world.touch(pending, state="COMMENTED", submittedAt=at(world.now))
                world.touch(pull)
                return


def discuss(world: World, repo: Thing) -> None:
    if pull := _pull(world, repo, is_open=True):
        if pull["_threads"] and world.rng.random() < 0.6:
            world.add_thread_comment(world.rng.choice(pull["_threads"]))
        else:
            world.add_thread(pull)
        world.touch(pull)


def drop_thread(world: World, repo: Thing) -> None:
    if (pull := _pull(world, repo, is_open=True)) and pull["_threads"]:
        world.remove(world.rng.choice(pull["_threads"]), pull["_threads"])
        world.touch(pull)


def resolve_thread(world: World, repo: Thing) -> None:
    """Whether that moves the pull request's `updatedAt` is not documented: here it does not."""
    if (pull := _pull(world, repo, is_open=True)) and pull["_threads"]:
        thread = world.rng.choice(pull["_threads"])
        resolved = not thread["isResolved"]
        thread |= {"isResolved": resolved, "resolvedBy": world.rng.choice(world.people) if resolved else None}
        world.note(thread)


def push_to_pull(world: World, repo: Thing) -> None:
    if pull := _pull(world, repo, is_open=True):
        if pull["_commits"] and world.rng.random() < 0.5:  # by force
            world.remove(pull["_commits"][-1], pull["_commits"])
        world.add_pull_commits(pull, 1 + world.rng.randrange(2))
        world.touch(pull)


def edit_pull(world: World, repo: Thing) -> None:
    if pull := _pull(world, repo):
        world.touch(pull, title=f"Pull request {pull['number']}, as of {at(world.now)}")


def merge_pull(world: World, repo: Thing) -> None:
    """Its commits come into the history behind newer ones: they are older than the head they join."""
    if pull := _pull(world, repo, is_open=True):
        base = (repo["_head"],) if repo["_head"] else ()
        older = world.add_commit(repo, parents=root(repo), date=world.now - timedelta(days=3))
        merge = world.add_commit(repo, parents=(*base, older["oid"]))
        world.push(repo, merge)
        moment = at(world.now)
        world.touch(pull, state="MERGED", closedAt=moment, mergedAt=moment, mergeCommit=merge)


def root(repo: Thing) -> tuple[str, ...]:
    """Where its history began."""
    return tuple(oid for oid, commit in repo["_commits"].items() if not commit["_parents"])[:1]


def close_pull(world: World, repo: Thing) -> None:
    if pull := _pull(world, repo, is_open=True):
        world.touch(pull, state="CLOSED", closedAt=at(world.now))


def open_pull(world: World, repo: Thing) -> None:
    world.add_pull_request(repo)


def open_issue(world: World, repo: Thing) -> None:
    world.add_issue(repo)


def edit_issue(world: World, repo: Thing) -> None:
    if repo["_issues"]:
        issue = world.rng.choice(repo["_issues"])
        world.touch(issue, title=f"Issue {issue['number']}, as of {at(world.now)}")


def close_issue(world: World, repo: Thing) -> None:
    if repo["_issues"]:
        issue = world.rng.choice(repo["_issues"])
        world.touch(issue, state="CLOSED", stateReason="COMPLETED", closedAt=at(world.now))


def push(world: World, repo: Thing) -> None:
    world.push(repo, world.add_commit(repo, parents=(repo["_head"],) if repo["_head"] else ()))


def release(world: World, repo: Thing) -> None:
    world.add_release(repo)


def edit_release(world: World, repo: Thing) -> None:
    if repo["_releases"]:
        world.touch(world.rng.choice(repo["_releases"]), description=f"Edited at {at(world.now)}")


def delete_release(world: World, repo: Thing) -> None:
    if len(repo["_releases"]) > 2:
        world.remove(world.rng.choice(repo["_releases"]), repo["_releases"])


def deploy(world: World, repo: Thing) -> None:
    world.add_deployment(repo)


def settle_deployment(world: World, repo: Thing) -> None:
    if repo["_deployments"]:
        deployment = world.rng.choice(repo["_deployments"])
        world.touch(deployment, state=world.rng.choice(["IN_PROGRESS", "ACTIVE", "FAILURE", "INACTIVE"]))


def start_workflow(world: World, repo: Thing) -> None:
    world.add_workflow_run(repo)


def move_workflow(world: World, repo: Thing) -> None:
    """It ends, or somebody runs it again."""
    if repo["_workflow_runs"]:
        run = world.rng.choice(repo["_workflow_runs"])
        run["updated_at"] = at(world.now)
        if run["status"] == "completed":
            run |= {"status": "queued", "conclusion": None, "run_attempt": run["run_attempt"] + 1}
        else:
            run |= {"status": "completed", "conclusion": world.rng.choice(["success", "failure"])}
        world.note(run)


def describe(world: World, repo: Thing) -> None:
    world.touch(repo, description=f"As of {at(world.now)}")


CHANGES: dict[Change, int] = {
    comment: 8,
    edit_comment: 4,
    delete_comment: 3,
    review: 5,
    begin_review: 2,
    submit_review: 2,
    discuss: 6,
    drop_thread: 1,
    resolve_thread: 3,
    push_to_pull: 5,
    edit_pull: 8,
    merge_pull: 2,
    close_pull: 1,
    open_pull: 4,
    open_issue: 4,
    edit_issue: 5,
    close_issue: 3,
    push: 4,
    release: 1,
    edit_release: 1,
    delete_release: 1,
    deploy: 2,
    settle_deployment: 3,
    start_workflow: 3,
    move_workflow: 4,
    describe: 1,
}
"""What may happen, and how often as compared to the others."""
