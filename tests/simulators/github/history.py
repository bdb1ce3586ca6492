"""How each thing of the world was, change by change: what a reader may have seen, and what it must have."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

Row = dict[str, Any]
Key = tuple[Any, ...]
Thing = dict[str, Any]


class History:
    """Versions of rows by stream and key. A moment is a number of changes (`now`)."""

    def __init__(self) -> None:
        self.now = 0
        self._versions: dict[str, dict[Key, list[tuple[int, Row | None]]]] = defaultdict(dict)
        self._repository_of: dict[tuple[str, Key], str] = {}
        self._gone_repositories: set[str] = set()

    def note(self, thing: Thing, *, stream: str | None = None) -> None:
        stream = stream or stream_of(thing)
        if stream is None:
            return
        key, row = ROWS[stream](thing)
        self._add(stream, key, row)
        self._repository_of[stream, key] = row["id"] if stream == "repositories" else row["repository_id"]

    def note_gone(self, thing: Thing) -> None:
        stream = stream_of(thing)
        if stream is None:
            return
        key, row = ROWS[stream](thing)
        self._add(stream, key, None)
        if stream == "repositories":
            self._gone_repositories.add(row["id"])

    def _add(self, stream: str, key: Key, row: Row | None) -> None:
        self.now += 1
        self._versions[stream].setdefault(key, []).append((self.now, copy.deepcopy(row)))

    def rows(self, stream: str) -> dict[Key, Row]:
        """What there is now."""
        return {key: row for key, versions in self._versions[stream].items() if (row := versions[-1][1])}

    def count(self, stream: str) -> int:
        """Rows of a stream that are there now."""
        return len(self.rows(stream))

    def differences(
        self, loaded: Mapping[str, Mapping[Key, Mapping[str, Any]]], since: int, until: int | None = None
    ) -> list[str]:
        """What is wrong with rows that were loaded by a run from moment `since` to `until` (default: now).

        Each must be as it was at some moment in between, and what was there all the time must be loaded.
        Of repositories that were taken away meanwhile, rows may be of any earlier moment, or missing.
        """
        until = self.now if until is None else until
        wrong = []
        for stream, rows in loaded.items():
            versions = self._versions[stream]
            for key, row in rows.items():
                if key not in versions:
                    wrong.append(f"{stream} {key}: was never there")
                elif not any(_same(row, seen) for seen in self._between(stream, key, since, until)):
                    last = versions[key][-1][1]
                    wrong.append(f"{stream} {key}: is {_differing(row, last)}")
            wrong += [
                f"{stream} {key}: lost"
                for key in versions.keys() - rows.keys()
                if all(self._between(stream, key, since, until)) and not self._is_excused(stream, key)
            ]
        return wrong

    def _between(self, stream: str, key: Key, since: int, until: int) -> list[Row | None]:
        versions = self._versions[stream][key]
        first = since
        if self._is_excused(stream, key) and stream != "repositories":
            first = 0
        found: list[Row | None] = []
        for place, (began, row) in enumerate(versions):
            ended = versions[place + 1][0] if place + 1 < len(versions) else until + 1
            if began <= until and ended > first:
                found.append(row)
        if versions[0][0] > first:
            found.insert(0, None)
        return found

    def _is_excused(self, stream: str, key: Key) -> bool:
        return self._repository_of.get((stream, key)) in self._gone_repositories


def _same(loaded: Mapping[str, Any], row: Row | None) -> bool:
    return row is not None and all(loaded.get(name) == value for name, value in row.items())


def _differing(loaded: Mapping[str, Any], row: Row | None) -> str:
    if row is None:
        return "there, but gone from the source"
    pairs = [f"{name}={loaded.get(name)!r}, not {value!r}" for name, value in row.items()]
    return "; ".join(
        p for p, (name, value) in zip(pairs, row.items(), strict=True) if loaded.get(name) != value
    )


def _login(actor: Thing | None) -> str | None:
    return actor["login"] if actor else None


def _repository(thing: Thing) -> tuple[Key, Row]:
    fields = {"id": thing["id"], "name_with_owner": thing["nameWithOwner"], "owner": thing["owner"]["login"]}
    fields |= {"description": thing["description"], "is_archived": thing["isArchived"]}
    return (thing["id"],), fields


def _pull_request(thing: Thing) -> tuple[Key, Row]:
    row = {
        "id": thing["id"],
        "repository_id": thing["_repo"]["id"],
        "number": thing["number"],
        "title": thing["title"],
        "body": thing["body"],
        "state": thing["state"],
        "author": _login(thing["author"]),
        "created_at": thing["createdAt"],
        "updated_at": thing["updatedAt"],
        "merged_at": thing["mergedAt"],
        "head_oid": thing["headRefOid"],
        "labels": [label["name"] for label in thing["_labels"]],
        "assignees": [person["login"] for person in thing["_assignees"]],
    }
    return (thing["id"],), row


def _commit_fields(commit: Thing) -> Row:
    return {
        "oid": commit["oid"],
        "message": commit["message"],
        "author_email": commit["author"]["email"],
        "committed_at": commit["committedDate"],
        "additions": commit["additions"],
        "parents": list(commit["_parents"]),
        "repository_id": commit["_repo"]["id"],
    }


def _pull_commit(thing: Thing) -> tuple[Key, Row]:
    pull, commit = thing["_parent"], thing["commit"]
    row = {"pull_request_id": pull["id"], **_commit_fields(commit)}
    del row["parents"]
    return (pull["id"], commit["oid"]), row


def _commit(thing: Thing) -> tuple[Key, Row]:
    return (thing["_repo"]["id"], thing["oid"]), _commit_fields(thing)


def _review(thing: Thing) -> tuple[Key, Row]:
    pull = thing["_parent"]
    row = {
        "pull_request_id": pull["id"],
        "id": thing["id"],
        "repository_id": pull["_repo"]["id"],
        "author": _login(thing["author"]),
        "state": thing["state"],
        "body": thing["body"],
        "submitted_at": thing["submittedAt"],
        "updated_at": thing["updatedAt"],
    }
    return (pull["id"], thing["id"]), row


def _thread(thing: Thing) -> tuple[Key, Row]:
    pull = thing["_parent"]
    row = {
        "pull_request_id": pull["id"],
        "id": thing["id"],
        "repository_id": pull["_repo"]["id"],
        "is_resolved": thing["isResolved"],
        "path": thing["path"],
        "line": thing["line"],
        "resolved_by": _login(thing["resolvedBy"]),
    }
    return (pull["id"], thing["id"]), row


def _review_comment(thing: Thing) -> tuple[Key, Row]:
    pull, thread = thing["_pull"], thing["_parent"]
    row = {
        "pull_request_id": pull["id"],
        "id": thing["id"],
        "thread_id": thread["id"],
        "repository_id": pull["_repo"]["id"],
        "author": _login(thing["author"]),
        "body": thing["body"],
        "updated_at": thing["updatedAt"],
        "reply_to": thing["replyTo"]["id"] if thing["replyTo"] else None,
    }
    return (pull["id"], thing["id"]), row


def _comment(thing: Thing) -> tuple[Key, Row]:
    parent = thing["_parent"]
    belongs = "pull_request_id" if parent["__typename"] == "PullRequest" else "issue_id"
    row = {
        belongs: parent["id"],
        "id": thing["id"],
        "repository_id": parent["_repo"]["id"],
        "author": _login(thing["author"]),
        "body": thing["body"],
        "created_at": thing["createdAt"],
        "updated_at": thing["updatedAt"],
    }
    return (parent["id"], thing["id"]), row


def _issue(thing: Thing) -> tuple[Key, Row]:
    row = {
        "id": thing["id"],
        "repository_id": thing["_repo"]["id"],
        "number": thing["number"],
        "title": thing["title"],
        "state": thing["state"],
        "author": _login(thing["author"]),
        "updated_at": thing["updatedAt"],
        "closed_at": thing["closedAt"],
        "labels": [label["name"] for label in thing["_labels"]],
    }
    return (thing["id"],), row


def _release(thing: Thing) -> tuple[Key, Row]:
    row = {
        "id": thing["id"],
        "repository_id": thing["_repo"]["id"],
        "name": thing["name"],
        "tag": thing["tagName"],
        "description": thing["description"],
        "is_draft": thing["isDraft"],
        "updated_at": thing["updatedAt"],
    }
    return (thing["_repo"]["id"], thing["id"]), row


def _deployment(thing: Thing) -> tuple[Key, Row]:
    row = {
        "id": thing["id"],
        "repository_id": thing["_repo"]["id"],
        "environment": thing["environment"],
        "state": thing["state"],
        "commit_oid": thing["commitOid"],
        "created_at": thing["createdAt"],
    }
    return (thing["id"],), row


def _workflow_run(thing: Thing) -> tuple[Key, Row]:
    row = {
        "id": thing["id"],
        "repository_id": thing["_repo"]["id"],
        "status": thing["status"],
        "conclusion": thing["conclusion"],
        "run_attempt": thing["run_attempt"],
        "updated_at": thing["updated_at"],
    }
    return (thing["id"],), row


STREAMS = {
    "Repository": "repositories",
    "PullRequest": "pull_requests",
    "PullRequestCommit": "pull_request_commits",
    "PullRequestReview": "reviews",
    "PullRequestReviewThread": "review_threads",
    "PullRequestReviewComment": "review_comments",
    "Issue": "issues",
    "Release": "releases",
    "Deployment": "deployments",
    "WorkflowRun": "workflow_runs",
}
"""Type -> the stream it belongs to; a commit is of `commits` once it is on the default branch."""


def stream_of(thing: Thing) -> str | None:
    """The stream that a thing belongs to by what it is."""
    if thing["__typename"] == "IssueComment":
        of_pull = thing["_parent"]["__typename"] == "PullRequest"
        return "pull_request_comments" if of_pull else "issue_comments"
    return STREAMS.get(thing["__typename"])


ROWS: dict[str, Callable[[Thing], tuple[Key, Row]]] = {
    "repositories": _repository,
    "pull_requests": _pull_request,
    "pull_request_commits": _pull_commit,
    "commits": _commit,
    "reviews": _review,
    "review_threads": _thread,
    "review_comments": _review_comment,
    "issue_comments": _comment,
    "pull_request_comments": _comment,
    "issues": _issue,
    "releases": _release,
    "deployments": _deployment,
    "workflow_runs": _workflow_run,
}
"""Stream -> key and fields of a thing as they must stand in its table; the other fields are not compared."""
