"""A world to begin with: people, an organisation, repositories with a past of two months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .world import Thing, World, at


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything a repository has."""

    repositories: int = 3
    pull_requests: int = 30
    issues: int = 30
    commits: int = 60
    releases: int = 4
    deployments: int = 8
    workflow_runs: int = 20
    long_lists: int = 2
    """Pull requests and issues with far more children than others."""


SMALL = Size(
    repositories=2,
    pull_requests=7,
    issues=7,
    commits=12,
    releases=3,
    deployments=3,
    workflow_runs=5,
    long_lists=1,
)


def make_world(seed: int = 0, size: Size = Size(), *, now: datetime | None = None) -> World:
    """Organisation `octo` and its repositories, the same for the same arguments."""
    world = World(seed, now)
    present = world.now
    for login in ("ada", "grace", "linus", "margaret", "edsger"):
        world.add_owner(login, "User")
    world.add_owner("octo")
    for number in range(size.repositories):
        name = ("app", "api", "docs")[number] if number < 3 else f"service-{number}"
        repo = world.add_repository("octo", name, isPrivate=number == 1)
        _fill(world, repo, size, present)
    world.now = present
    return world


def _fill(world: World, repo: Thing, size: Size, present: datetime) -> None:
    rng = world.rng
    begin = present - timedelta(days=60)
    head: Thing | None = None
    side: Thing | None = None
    for number in range(size.commits):
        world.now = begin + (present - begin) * number / size.commits
        parents = (head["oid"],) if head else ()
        if side and rng.random() < 0.4:
            head, side = world.add_commit(repo, parents=(*parents, side["oid"])), None
        elif head and rng.random() < 0.2:
            side = world.add_commit(repo, parents=((side or head)["oid"],))
            continue
        else:
            head = world.add_commit(repo, parents=parents)
        repo["_head"] = head["oid"]
    if head:
        repo["_head"] = None
        world.push(repo, head)
    for number in range(size.pull_requests):
        world.now = begin + (present - begin) * number / size.pull_requests
        pull = world.add_pull_request(repo, commits=1 + rng.randrange(3))
        _discuss(world, pull, many=number < size.long_lists)
        if rng.random() < 0.6:
            world.touch(pull, state="CLOSED", closedAt=at(world.now))
    for number in range(size.issues):
        world.now = begin + (present - begin) * number / size.issues
        issue = world.add_issue(repo)
        for _ in range(60 if number < size.long_lists else rng.randrange(3)):
            world.add_comment(issue)
    for number in range(size.releases):
        world.now = begin + (present - begin) * number / size.releases
        world.add_release(repo)
    for number in range(size.deployments):
        world.now = present - timedelta(days=20) * (size.deployments - number) / size.deployments
        world.add_deployment(repo)
    for number in range(size.workflow_runs):
        world.now = present - timedelta(days=20) * (size.workflow_runs - number) / size.workflow_runs
        world.add_workflow_run(repo, status="completed", conclusion="success")
    world.now = present


def _discuss(world: World, pull: Thing, *, many: bool) -> None:
    rng = world.rng
    for _ in range(45 if many else rng.randrange(3)):
        world.add_comment(pull)
    for _ in range(30 if many else rng.randrange(3)):
        world.add_review(pull, rng.choice(["APPROVED", "COMMENTED", "CHANGES_REQUESTED"]))
    for number in range(26 if many else rng.randrange(3)):
        world.add_thread(pull, comments=33 if many and number == 0 else 1 + rng.randrange(3))
    if many:
        world.add_pull_commits(pull, 40)
        world.note(pull)
