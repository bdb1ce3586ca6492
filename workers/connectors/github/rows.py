"""From GitHub's records to rows: pure functions, one for each stream.

A record is GitHub's own object, without its lists of children, and with the ids of what it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from etl_core.connector import Record
from etl_core.errors import BadRecord

Row = dict[str, Any]


def make_row(stream: str, record: Record) -> Row:
    """Raises: BadRecord: GitHub's object lacks what every such object has."""
    try:
        return _ROWS[stream](record)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"is not in the known form ({error})"
        raise BadRecord(f"{stream}: the record {what}") from None


def _login(actor: Mapping[str, Any] | None) -> str | None:
    """None for an account that was deleted."""
    return actor["login"] if actor else None


def _number(record: Record) -> int | None:
    """The id in REST; larger ones do not fit into `databaseId`."""
    full = record.get("fullDatabaseId")
    return int(full) if full is not None else record.get("databaseId")


def _names(connection: Mapping[str, Any] | None, field: str) -> list[str]:
    nodes = (connection or {}).get("nodes") or ()
    return [node[field] for node in nodes if node]


def _repository(record: Record) -> Row:
    branch, language, terms = record["defaultBranchRef"], record["primaryLanguage"], record["licenseInfo"]
    return {
        "id": record["id"],
        "database_id": record["databaseId"],
        "name": record["name"],
        "name_with_owner": record["nameWithOwner"],
        "owner": record["owner"]["login"],
        "description": record["description"],
        "url": record["url"],
        "homepage_url": record["homepageUrl"],
        "visibility": record["visibility"],
        "is_archived": record["isArchived"],
        "is_disabled": record["isDisabled"],
        "is_fork": record["isFork"],
        "is_template": record["isTemplate"],
        "created_at": record["createdAt"],
        "updated_at": record["updatedAt"],
        "pushed_at": record["pushedAt"],
        "archived_at": record.get("archivedAt"),
        "default_branch": branch["name"] if branch else None,
        "primary_language": language["name"] if language else None,
        "license": (terms["spdxId"] or terms["key"]) if terms else None,
        "topics": [node["topic"]["name"] for node in record["repositoryTopics"]["nodes"] if node],
        "stars": record["stargazerCount"],
        "forks": record["forkCount"],
        "disk_usage_kb": record["diskUsage"],
    }


def _issue(record: Record) -> Row:
    milestone = record["milestone"]
    return {
        "id": record["id"],
        "database_id": _number(record),
        "repository_id": record["repository_id"],
        "number": record["number"],
        "title": record["title"],
        "body": record["body"],
        "state": record["state"],
        "is_locked": record["locked"],
        "author": _login(record["author"]),
        "created_at": record["createdAt"],
        "updated_at": record["updatedAt"],
        "closed_at": record["closedAt"],
        "milestone": milestone["title"] if milestone else None,
        "labels": _names(record["labels"], "name"),
        "assignees": _names(record["assignees"], "login"),
        "url": record["url"],
    }


def _plain_issue(record: Record) -> Row:
    return {**_issue(record), "state_reason": record["stateReason"]}


def _pull_request(record: Record) -> Row:
    merge = record["mergeCommit"]
    return {
        **_issue(record),
        "is_draft": record["isDraft"],
        "merged_at": record["mergedAt"],
        "merged_by": _login(record["mergedBy"]),
        "merge_commit": merge["oid"] if merge else None,
        "base_ref": record["baseRefName"],
        "base_oid": record["baseRefOid"],
        "head_ref": record["headRefName"],
        "head_oid": record["headRefOid"],
        "additions": record["additions"],
        "deletions": record["deletions"],
        "changed_files": record["changedFiles"],
        "review_decision": record["reviewDecision"],
    }


def _commit_fields(record: Record, commit: Mapping[str, Any]) -> Row:
    author, committer = commit["author"] or {}, commit["committer"] or {}
    return {
        "repository_id": record["repository_id"],
        "oid": commit["oid"],
        "message": commit["message"],
        "author_name": author.get("name"),
        "author_email": author.get("email"),
        "author": _login(author.get("user")),
        "authored_at": commit["authoredDate"],
        "committer_name": committer.get("name"),
        "committer_email": committer.get("email"),
        "committer": _login(committer.get("user")),
        "committed_at": commit["committedDate"],
        "additions": commit["additions"],
        "deletions": commit["deletions"],
        "changed_files": commit["changedFilesIfAvailable"],
        "url": commit["url"],
    }


def _commit(record: Record) -> Row:
    return {**_commit_fields(record, record), "parents": _names(record["parents"], "oid")}


def _pull_request_commit(record: Record) -> Row:
    fields = _commit_fields(record, record["commit"])
    return {"pull_request_id": record["pull_request_id"], **fields}


def _said(record: Record) -> Row:
    return {
        "id": record["id"],
        "database_id": _number(record),
        "repository_id": record["repository_id"],
        "author": _login(record["author"]),
        "body": record["body"],
        "created_at": record["createdAt"],
        "updated_at": record["updatedAt"],
        "url": record["url"],
    }


def _comment(parent: str) -> Callable[[Record], Row]:
    def make(record: Record) -> Row:
        return {
            parent: record[parent],
            **_said(record),
            "edited_at": record["lastEditedAt"],
            "is_minimized": record["isMinimized"],
        }

    return make


def _review(record: Record) -> Row:
    commit = record["commit"]
    return {
        "pull_request_id": record["pull_request_id"],
        **_said(record),
        "state": record["state"],
        "submitted_at": record["submittedAt"],
        "commit_oid": commit["oid"] if commit else None,
    }


def _review_thread(record: Record) -> Row:
    return {
        "pull_request_id": record["pull_request_id"],
        "id": record["id"],
        "repository_id": record["repository_id"],
        "is_resolved": record["isResolved"],
        "is_outdated": record["isOutdated"],
        "path": record["path"],
        "line": record["line"],
        "start_line": record["startLine"],
        "original_line": record["originalLine"],
        "side": record["diffSide"],
        "resolved_by": _login(record["resolvedBy"]),
    }


def _review_comment(record: Record) -> Row:
    review, reply_to = record["pullRequestReview"], record["replyTo"]
    return {
        "pull_request_id": record["pull_request_id"],
        "thread_id": record["thread_id"],
        "review_id": review["id"] if review else None,
        "reply_to": reply_to["id"] if reply_to else None,
        **_said(record),
        "path": record["path"],
        "diff_hunk": record["diffHunk"],
        "is_outdated": record["outdated"],
    }


def _release(record: Record) -> Row:
    commit = record["tagCommit"]
    return {
        "repository_id": record["repository_id"],
        "id": record["id"],
        "database_id": record["databaseId"],
        "name": record["name"],
        "tag": record["tagName"],
        "commit_oid": commit["oid"] if commit else None,
        "description": record["description"],
        "is_draft": record["isDraft"],
        "is_latest": record["isLatest"],
        "is_prerelease": record["isPrerelease"],
        "author": _login(record["author"]),
        "created_at": record["createdAt"],
        "published_at": record["publishedAt"],
        "updated_at": record["updatedAt"],
        "url": record["url"],
    }


def _deployment(record: Record) -> Row:
    ref = record["ref"]
    return {
        "id": record["id"],
        "database_id": record["databaseId"],
        "repository_id": record["repository_id"],
        "environment": record["environment"],
        "state": record["state"],
        "task": record["task"],
        "description": record["description"],
        "ref": ref["name"] if ref else None,
        "commit_oid": record["commitOid"],
        "creator": _login(record["creator"]),
        "latest_status": record["latestStatus"],
        "created_at": record["createdAt"],
        "updated_at": record["updatedAt"],
    }


def _workflow_run(record: Record) -> Row:
    return {
        "id": record["id"],
        "repository_id": record["repository_id"],
        "workflow_id": record["workflow_id"],
        "name": record.get("name"),
        "title": record.get("display_title"),
        "path": record.get("path"),
        "run_number": record["run_number"],
        "run_attempt": record.get("run_attempt"),
        "event": record["event"],
        "status": record["status"],
        "conclusion": record["conclusion"],
        "head_branch": record["head_branch"],
        "head_oid": record["head_sha"],
        "actor": _login(record.get("actor")),
        "triggering_actor": _login(record.get("triggering_actor")),
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "started_at": record.get("run_started_at"),
        "url": record["html_url"],
    }


_ROWS: dict[str, Callable[[Record], Row]] = {
    "repositories": _repository,
    "pull_requests": _pull_request,
    "pull_request_commits": _pull_request_commit,
    "pull_request_comments": _comment("pull_request_id"),
    "reviews": _review,
    "review_threads": _review_thread,
    "review_comments": _review_comment,
    "commits": _commit,
    "issues": _plain_issue,
    "issue_comments": _comment("issue_id"),
    "releases": _release,
    "deployments": _deployment,
    "workflow_runs": _workflow_run,
}
