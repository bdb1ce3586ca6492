"""Owners and repositories as GitHub holds them, and what befalls them while somebody reads.

Objects are dictionaries with the fields of GraphQL; a name that begins with `_` is the simulator's own. All
depends on the seed and on the number of changes so far, nothing on the clock: time is the world's own, in
whole seconds as GitHub's, and several things happen in one second.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import Any

from .history import History

Thing = dict[str, Any]


def at(moment: datetime) -> str:
    """As GitHub writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def at_epoch(seconds: float) -> str:
    return at(datetime.fromtimestamp(seconds, UTC))


class World:
    """Everything there is. `lock` is held by whoever reads or changes it from another thread."""

    def __init__(self, seed: int = 0, now: datetime | None = None) -> None:
        self.rng = random.Random(seed)
        self.lock = threading.RLock()
        self.now = (now or datetime.now(UTC)).replace(microsecond=0)
        self.owners: dict[str, Thing] = {}
        self.repositories: dict[str, Thing] = {}
        self.by_id: dict[str, Thing] = {}
        self.renamed: dict[str, str] = {}
        """Old name with owner -> id of the repository that had it."""
        self.history = History()
        self._number = 1_000

    @property
    def people(self) -> list[Thing]:
        return [owner for owner in self.owners.values() if owner["__typename"] == "User"]

    # Making things

    def add_owner(self, login: str, kind: str = "Organization") -> Thing:
        owner = self._thing(kind, kind[0], login=login, name=login.title())
        self.owners[login.lower()] = owner
        return owner

    def add_repository(self, owner: str, name: str, **fields: Any) -> Thing:
        created = fields.pop("createdAt", at(self.now - timedelta(days=400)))
        repo = self._thing(
            "Repository",
            "R",
            name=name,
            owner=self.owners[owner.lower()],
            description=f"The {name} of {owner}",
            homepageUrl=None,
            isArchived=False,
            isDisabled=False,
            isFork=False,
            isPrivate=False,
            isTemplate=False,
            createdAt=created,
            updatedAt=created,
            pushedAt=created,
            archivedAt=None,
            diskUsage=self.rng.randrange(10_000),
            forkCount=0,
            stargazerCount=self.rng.randrange(500),
            primaryLanguage=self._thing("Language", "LA", name="Python"),
            licenseInfo=self._thing("License", "LI", key="mit", spdxId="MIT"),
            _topics=[],
            _branch="main",
            _head=None,
            _commits={},
            _pull_requests=[],
            _issues=[],
            _releases=[],
            _deployments=[],
            _workflow_runs=[],
            _number=0,
        )
        repo.update(fields)
        self._name(repo)
        self.repositories[repo["id"]] = repo
        self.note(repo)
        return repo

    def add_commit(
        self, repo: Thing, *, parents: tuple[str, ...] = (), date: datetime | None = None
    ) -> Thing:
        """A commit object; `push` puts it on the default branch, a pull request may hold it."""
        moment = at(date or self.now)
        oid = sha1(f"{repo['id']}/{self.number()}".encode(), usedforsecurity=False).hexdigest()
        person = self.rng.choice(self.people)
        actor = {
            "name": person["name"],
            "email": f"{person['login']}@example.org",
            "date": moment,
            "user": person if self.rng.random() < 0.8 else None,
        }
        headline = f"Change {oid[:7]}"
        commit = self._thing(
            "Commit",
            "C",
            oid=oid,
            messageHeadline=headline,
            messageBody="",
            message=headline,
            authoredDate=moment,
            committedDate=moment,
            author=actor,
            committer=dict(actor),
            additions=self.rng.randrange(300),
            deletions=self.rng.randrange(100),
            changedFilesIfAvailable=1 + self.rng.randrange(9),
            url=f"{repo['url']}/commit/{oid}",
            _parents=parents,
            _repo=repo,
        )
        repo["_commits"][oid] = commit
        return commit

    def push(self, repo: Thing, commit: Thing) -> None:
        """The default branch moves to a commit: all that it can reach is on the branch."""
        known = self.on_branch(repo)
        repo["_head"] = commit["oid"]
        repo["pushedAt"] = at(self.now)
        for oid in self.on_branch(repo) - known:
            self.note(repo["_commits"][oid], stream="commits")
        self.note(repo)

    def on_branch(self, repo: Thing) -> set[str]:
        """Every commit that the default branch can reach."""
        return reachable(repo, repo["_head"])

    def add_pull_request(self, repo: Thing, *, commits: int = 2, **fields: Any) -> Thing:
        number = self._next_number(repo)
        moment = fields.pop("createdAt", at(self.now))
        pull = self._thing(
            "PullRequest",
            "PR",
            number=number,
            title=f"Pull request {number}",
            body=f"It changes what issue {number} asked for.\r\n",
            state="OPEN",
            isDraft=self.rng.random() < 0.1,
            locked=False,
            url=f"{repo['url']}/pull/{number}",
            author=self._someone(),
            createdAt=moment,
            updatedAt=moment,
            closedAt=None,
            mergedAt=None,
            mergedBy=None,
            mergeCommit=None,
            baseRefName=repo["_branch"],
            baseRefOid=repo["_head"] or "0" * 40,
            headRefName=f"topic-{number}",
            headRepository=repo,
            additions=self.rng.randrange(400),
            deletions=self.rng.randrange(200),
            changedFiles=1 + self.rng.randrange(12),
            reviewDecision=None,
            milestone=None,
            repository=repo,
            _repo=repo,
            _labels=self._labels(),
            _assignees=self.rng.sample(self.people, self.rng.randrange(3)),
            _commits=[],
            _reviews=[],
            _comments=[],
            _threads=[],
        )
        pull.update(fields)
        repo["_pull_requests"].append(pull)
        self.add_pull_commits(pull, commits)
        self.note(pull)
        return pull

    def add_pull_commits(self, pull: Thing, count: int) -> None:
        for _ in range(count):
            commit = self.add_commit(pull["_repo"])
            link = self._thing(
                "PullRequestCommit", "PRC", commit=commit, pullRequest=pull, url=commit["url"], _parent=pull
            )
            pull["_commits"].append(link)
            self.note(link)
        pull["headRefOid"] = pull["_commits"][-1]["commit"]["oid"] if pull["_commits"] else "0" * 40

    def add_issue(self, repo: Thing, **fields: Any) -> Thing:
        number = self._next_number(repo)
        moment = fields.pop("createdAt", at(self.now))
        issue = self._thing(
            "Issue",
            "I",
            number=number,
            title=f"Issue {number}",
            body=f"It should do {number} things.",
            state="OPEN",
            stateReason=None,
            locked=False,
            url=f"{repo['url']}/issues/{number}",
            author=self._someone(),
            createdAt=moment,
            updatedAt=moment,
            closedAt=None,
            milestone=None,
            repository=repo,
            _repo=repo,
            _labels=self._labels(),
            _assignees=[],
            _comments=[],
        )
        issue.update(fields)
        repo["_issues"].append(issue)
        self.note(issue)
        return issue

    def add_comment(self, parent: Thing, **fields: Any) -> Thing:
        comment = self._child(
            parent, "_comments", "IssueComment", "IC", lastEditedAt=None, isMinimized=False, **fields
        )
        self.note(comment)
        return comment

    def add_review(self, pull: Thing, state: str = "COMMENTED", **fields: Any) -> Thing:
        """A PENDING review has no `submittedAt`."""
        commits = pull["_commits"]
        review = self._child(
            pull,
            "_reviews",
            "PullRequestReview",
            "PRR",
            state=state,
            submittedAt=None if state == "PENDING" else at(self.now),
            commit=commits[-1]["commit"] if commits else None,
            pullRequest=pull,
            **fields,
        )
        self.note(review)
        return review

    def add_thread(self, pull: Thing, *, comments: int = 1) -> Thing:
        line = 1 + self.rng.randrange(200)
        thread = self._thing(
            "PullRequestReviewThread",
            "PRRT",
            isResolved=False,
            isOutdated=False,
            isCollapsed=False,
            path=f"src/file_{self.rng.randrange(9)}.py",
            line=line,
            startLine=None,
            originalLine=line,
            diffSide="RIGHT",
            resolvedBy=None,
            pullRequest=pull,
            _parent=pull,
            _comments=[],
        )
        pull["_threads"].append(thread)
        self.note(thread)
        for _ in range(comments):
            self.add_thread_comment(thread)
        return thread

    def add_thread_comment(self, thread: Thing) -> Thing:
        pull = thread["_parent"]
        earlier = thread["_comments"]
        comment = self._child(
            thread,
            "_comments",
            "PullRequestReviewComment",
            "PRRC",
            path=thread["path"],
            diffHunk="@@ -1,4 +1,4 @@",
            outdated=False,
            publishedAt=at(self.now),
            replyTo=earlier[0] if earlier else None,
            pullRequestReview=pull["_reviews"][-1] if pull["_reviews"] else None,
            _pull=pull,
        )
        self.note(comment)
        return comment

    def add_release(self, repo: Thing, **fields: Any) -> Thing:
        number = len(repo["_releases"]) + 1
        moment = fields.pop("createdAt", at(self.now))
        release = self._thing(
            "Release",
            "RE",
            name=f"Version {number}",
            tagName=f"v{self.number()}",
            tagCommit=repo["_commits"].get(repo["_head"]),
            description="What is new.",
            isDraft=False,
            isLatest=False,
            isPrerelease=False,
            author=self.rng.choice(self.people),
            createdAt=moment,
            publishedAt=moment,
            updatedAt=moment,
            url=f"{repo['url']}/releases/{number}",
            _repo=repo,
        )
        release.update(fields)
        repo["_releases"].append(release)
        self.note(release)
        return release

    def add_deployment(self, repo: Thing, **fields: Any) -> Thing:
        moment = fields.pop("createdAt", at(self.now))
        environment = self.rng.choice(["production", "staging"])
        deployment = self._thing(
            "Deployment",
            "DE",
            commitOid=repo["_head"] or "0" * 40,
            ref=None,
            task="deploy",
            description=None,
            environment=environment,
            latestEnvironment=environment,
            originalEnvironment=environment,
            payload=None,
            state="PENDING",
            creator=self.rng.choice(self.people),
            latestStatus=None,
            createdAt=moment,
            updatedAt=moment,
            _repo=repo,
        )
        deployment.update(fields)
        repo["_deployments"].append(deployment)
        self.note(deployment)
        return deployment

    def add_workflow_run(self, repo: Thing, **fields: Any) -> Thing:
        """As REST shows it."""
        moment = fields.pop("created_at", at(self.now))
        number = self.number()
        run = {
            "__typename": "WorkflowRun",
            "id": number,
            "node_id": f"WFR_{number}",
            "name": "CI",
            "display_title": f"Change {number}",
            "run_number": len(repo["_workflow_runs"]) + 1,
            "run_attempt": 1,
            "event": self.rng.choice(["push", "pull_request", "schedule"]),
            "status": "queued",
            "conclusion": None,
            "workflow_id": 77,
            "path": ".github/workflows/ci.yml",
            "head_branch": repo["_branch"],
            "head_sha": repo["_head"] or "0" * 40,
            "actor": {"login": self.rng.choice(self.people)["login"]},
            "triggering_actor": {"login": self.rng.choice(self.people)["login"]},
            "created_at": moment,
            "updated_at": moment,
            "run_started_at": moment,
            "html_url": f"{repo['url']}/actions/runs/{number}",
            "_repo": repo,
        }
        run.update(fields)
        repo["_workflow_runs"].append(run)
        self.note(run)
        return run

    # What befalls them

    def pass_time(self) -> str:
        """Some seconds, or none; the moment as GitHub writes it."""
        self.now += timedelta(seconds=self.rng.choice([0, 0, 1, 2]))
        return at(self.now)

    def touch(self, thing: Thing, **fields: Any) -> None:
        """It changes, and shows it."""
        thing.update(fields)
        thing["updatedAt"] = at(self.now)
        self.note(thing)

    def remove(self, thing: Thing, among: list[Thing]) -> None:
        among.remove(thing)
        self.by_id.pop(thing["id"], None)
        self.history.note_gone(thing)
        for comment in thing.get("_comments", ()):
            self.by_id.pop(comment["id"], None)
            self.history.note_gone(comment)

    def rename(self, repo: Thing, name: str) -> None:
        self.renamed[repo["nameWithOwner"].lower()] = repo["id"]
        repo["name"] = name
        self._name(repo)
        self.touch(repo)

    def take_away(self, repo: Thing) -> None:
        """Deleted; or private from now on, and not ours to see: nobody can tell which."""
        del self.repositories[repo["id"]]
        self.by_id.pop(repo["id"], None)
        self.history.note_gone(repo)

    def note(self, thing: Thing, *, stream: str | None = None) -> None:
        """Remembers how it is now."""
        self.history.note(thing, stream=stream)

    def number(self) -> int:
        self._number += 1
        return self._number

    def find_repository(self, name_with_owner: str, *, follow: bool = True) -> Thing | None:
        wanted = name_with_owner.lower()
        for repo in self.repositories.values():
            if repo["nameWithOwner"].lower() == wanted:
                return repo
        return self.repositories.get(self.renamed.get(wanted, "")) if follow else None

    def all_of(self, place: str) -> Iterator[Thing]:
        """The things of every repository, `_issues` for one."""
        for repo in self.repositories.values():
            yield from repo[place]

    def _thing(self, kind: str, prefix: str, **fields: Any) -> Thing:
        number = self.number()
        thing = {
            "__typename": kind,
            "id": f"{prefix}_kw{number:08d}",
            "databaseId": number,
            "fullDatabaseId": str(number),
            **fields,
        }
        self.by_id[thing["id"]] = thing
        return thing

    def _child(self, parent: Thing, place: str, kind: str, prefix: str, **fields: Any) -> Thing:
        moment = at(self.now)
        child = self._thing(
            kind,
            prefix,
            **{
                "author": self._someone(),
                "body": f"On {parent['id']}, said at {moment}",
                "createdAt": moment,
                "updatedAt": moment,
                "url": f"https://github.example/c/{self.number()}",
                "_parent": parent,
                **fields,
            },
        )
        parent[place].append(child)
        return child

    def _name(self, repo: Thing) -> None:
        repo["nameWithOwner"] = f"{repo['owner']['login']}/{repo['name']}"
        repo["url"] = f"https://github.example/{repo['nameWithOwner']}"
        self.renamed.pop(repo["nameWithOwner"].lower(), None)

    def _next_number(self, repo: Thing) -> int:
        repo["_number"] += 1
        return int(repo["_number"])

    def _someone(self) -> Thing | None:
        """Or nobody any more: the author's account was deleted."""
        return None if self.rng.random() < 0.03 else self.rng.choice(self.people)

    def _labels(self) -> list[Thing]:
        names = self.rng.sample(["bug", "docs", "urgent", "later"], self.rng.randrange(3))
        return [
            {"__typename": "Label", "id": f"LA_{name}", "name": name, "color": "ededed"} for name in names
        ]


def reachable(repo: Thing, head: str | None) -> set[str]:
    """The commits that `head` can reach, itself among them."""
    seen: set[str] = set()
    waiting = [head] if head else []
    while waiting:
        oid = waiting.pop()
        if oid not in seen:
            seen.add(oid)
            waiting += repo["_commits"][oid]["_parents"]
    return seen
