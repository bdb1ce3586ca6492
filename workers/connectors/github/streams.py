"""The streams: their columns, keys, and what belongs to what."""

from __future__ import annotations

from etl_core.connector import Column, ColumnType, Parent, Stream

_T = ColumnType


def _columns(**types: ColumnType) -> tuple[Column, ...]:
    return tuple(Column(name, type_) for name, type_ in types.items())


_COMMIT = {
    "repository_id": _T.TEXT,
    "oid": _T.TEXT,
    "message": _T.TEXT,
    "author_name": _T.TEXT,
    "author_email": _T.TEXT,
    "author": _T.TEXT,
    "authored_at": _T.TIMESTAMPTZ,
    "committer_name": _T.TEXT,
    "committer_email": _T.TEXT,
    "committer": _T.TEXT,
    "committed_at": _T.TIMESTAMPTZ,
    "additions": _T.BIGINT,
    "deletions": _T.BIGINT,
    "changed_files": _T.BIGINT,
    "url": _T.TEXT,
}
_SAID = {
    "database_id": _T.BIGINT,
    "repository_id": _T.TEXT,
    "author": _T.TEXT,
    "body": _T.TEXT,
    "created_at": _T.TIMESTAMPTZ,
    "updated_at": _T.TIMESTAMPTZ,
    "url": _T.TEXT,
}

REPOSITORIES = Stream(
    "repositories",
    _columns(
        id=_T.TEXT,
        database_id=_T.BIGINT,
        name=_T.TEXT,
        name_with_owner=_T.TEXT,
        owner=_T.TEXT,
        description=_T.TEXT,
        url=_T.TEXT,
        homepage_url=_T.TEXT,
        visibility=_T.TEXT,
        is_archived=_T.BOOLEAN,
        is_disabled=_T.BOOLEAN,
        is_fork=_T.BOOLEAN,
        is_template=_T.BOOLEAN,
        created_at=_T.TIMESTAMPTZ,
        updated_at=_T.TIMESTAMPTZ,
        pushed_at=_T.TIMESTAMPTZ,
        archived_at=_T.TIMESTAMPTZ,
        default_branch=_T.TEXT,
        primary_language=_T.TEXT,
        license=_T.TEXT,
        topics=_T.JSONB,
        stars=_T.BIGINT,
        forks=_T.BIGINT,
        disk_usage_kb=_T.BIGINT,
    ),
    key=("id",),
    full_refresh=True,
)
_ISSUE = {
    "id": _T.TEXT,
    "database_id": _T.BIGINT,
    "repository_id": _T.TEXT,
    "number": _T.BIGINT,
    "title": _T.TEXT,
    "body": _T.TEXT,
    "state": _T.TEXT,
    "is_locked": _T.BOOLEAN,
    "author": _T.TEXT,
    "created_at": _T.TIMESTAMPTZ,
    "updated_at": _T.TIMESTAMPTZ,
    "closed_at": _T.TIMESTAMPTZ,
    "milestone": _T.TEXT,
    "labels": _T.JSONB,
    "assignees": _T.JSONB,
    "url": _T.TEXT,
}
PULL_REQUESTS = Stream(
    "pull_requests",
    _columns(
        **_ISSUE,
        is_draft=_T.BOOLEAN,
        merged_at=_T.TIMESTAMPTZ,
        merged_by=_T.TEXT,
        merge_commit=_T.TEXT,
        base_ref=_T.TEXT,
        base_oid=_T.TEXT,
        head_ref=_T.TEXT,
        head_oid=_T.TEXT,
        additions=_T.BIGINT,
        deletions=_T.BIGINT,
        changed_files=_T.BIGINT,
        review_decision=_T.TEXT,
    ),
    key=("id",),
)
ISSUES = Stream("issues", _columns(**_ISSUE, state_reason=_T.TEXT), key=("id",))

# The parent comes first in these keys: a page that holds all children of some parents finds the others' rows
# by the index of the key.
_OF_PULL = Parent("pull_requests", "pull_request_id")
PULL_REQUEST_COMMITS = Stream(
    "pull_request_commits",
    _columns(pull_request_id=_T.TEXT, **_COMMIT),
    key=("pull_request_id", "oid"),
    parent=_OF_PULL,
)
PULL_REQUEST_COMMENTS = Stream(
    "pull_request_comments",
    _columns(pull_request_id=_T.TEXT, id=_T.TEXT, **_SAID, edited_at=_T.TIMESTAMPTZ, is_minimized=_T.BOOLEAN),
    key=("pull_request_id", "id"),
    parent=_OF_PULL,
)
REVIEWS = Stream(
    "reviews",
    _columns(
        pull_request_id=_T.TEXT,
        id=_T.TEXT,
        **_SAID,
        state=_T.TEXT,
        submitted_at=_T.TIMESTAMPTZ,
        commit_oid=_T.TEXT,
    ),
    key=("pull_request_id", "id"),
    parent=_OF_PULL,
)
REVIEW_THREADS = Stream(
    "review_threads",
    _columns(
        pull_request_id=_T.TEXT,
        id=_T.TEXT,
        repository_id=_T.TEXT,
        is_resolved=_T.BOOLEAN,
        is_outdated=_T.BOOLEAN,
        path=_T.TEXT,
        line=_T.BIGINT,
        start_line=_T.BIGINT,
        original_line=_T.BIGINT,
        side=_T.TEXT,
        resolved_by=_T.TEXT,
    ),
    key=("pull_request_id", "id"),
    parent=_OF_PULL,
)
REVIEW_COMMENTS = Stream(
    "review_comments",
    _columns(
        pull_request_id=_T.TEXT,
        id=_T.TEXT,
        thread_id=_T.TEXT,
        review_id=_T.TEXT,
        reply_to=_T.TEXT,
        **_SAID,
        path=_T.TEXT,
        diff_hunk=_T.TEXT,
        is_outdated=_T.BOOLEAN,
    ),
    key=("pull_request_id", "id"),
    parent=_OF_PULL,
)
ISSUE_COMMENTS = Stream(
    "issue_comments",
    _columns(issue_id=_T.TEXT, id=_T.TEXT, **_SAID, edited_at=_T.TIMESTAMPTZ, is_minimized=_T.BOOLEAN),
    key=("issue_id", "id"),
    parent=Parent("issues", "issue_id"),
)
COMMITS = Stream("commits", _columns(**_COMMIT, parents=_T.JSONB), key=("repository_id", "oid"))
RELEASES = Stream(
    "releases",
    _columns(
        repository_id=_T.TEXT,
        id=_T.TEXT,
        database_id=_T.BIGINT,
        name=_T.TEXT,
        tag=_T.TEXT,
        commit_oid=_T.TEXT,
        description=_T.TEXT,
        is_draft=_T.BOOLEAN,
        is_latest=_T.BOOLEAN,
        is_prerelease=_T.BOOLEAN,
        author=_T.TEXT,
        created_at=_T.TIMESTAMPTZ,
        published_at=_T.TIMESTAMPTZ,
        updated_at=_T.TIMESTAMPTZ,
        url=_T.TEXT,
    ),
    key=("repository_id", "id"),
    parent=Parent("repositories", "repository_id"),
)
DEPLOYMENTS = Stream(
    "deployments",
    _columns(
        id=_T.TEXT,
        database_id=_T.BIGINT,
        repository_id=_T.TEXT,
        environment=_T.TEXT,
        state=_T.TEXT,
        task=_T.TEXT,
        description=_T.TEXT,
        ref=_T.TEXT,
        commit_oid=_T.TEXT,
        creator=_T.TEXT,
        latest_status=_T.JSONB,
        created_at=_T.TIMESTAMPTZ,
        updated_at=_T.TIMESTAMPTZ,
    ),
    key=("id",),
)
WORKFLOW_RUNS = Stream(
    "workflow_runs",
    _columns(
        id=_T.BIGINT,
        repository_id=_T.TEXT,
        workflow_id=_T.BIGINT,
        name=_T.TEXT,
        title=_T.TEXT,
        path=_T.TEXT,
        run_number=_T.BIGINT,
        run_attempt=_T.BIGINT,
        event=_T.TEXT,
        status=_T.TEXT,
        conclusion=_T.TEXT,
        head_branch=_T.TEXT,
        head_oid=_T.TEXT,
        actor=_T.TEXT,
        triggering_actor=_T.TEXT,
        created_at=_T.TIMESTAMPTZ,
        updated_at=_T.TIMESTAMPTZ,
        started_at=_T.TIMESTAMPTZ,
        url=_T.TEXT,
    ),
    key=("id",),
)

STREAMS = {
    stream.name: stream
    for stream in (
        REPOSITORIES,
        PULL_REQUESTS,
        PULL_REQUEST_COMMITS,
        PULL_REQUEST_COMMENTS,
        REVIEWS,
        REVIEW_THREADS,
        REVIEW_COMMENTS,
        COMMITS,
        ISSUES,
        ISSUE_COMMENTS,
        RELEASES,
        DEPLOYMENTS,
        WORKFLOW_RUNS,
    )
}
OF_PULL_REQUESTS = (
    "pull_request_comments",
    "pull_request_commits",
    "review_comments",
    "review_threads",
    "reviews",
)
"""What is read with a pull request, and replaced with it; sorted."""
OF_ISSUES = ("issue_comments",)
