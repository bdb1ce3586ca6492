"""The GraphQL that is asked, as text: each document is the same from call to call, but for what was chosen.

Names and types are those of GitHub's public schema; a test validates every document against the part of it
that the simulator holds.
"""

from __future__ import annotations

from collections.abc import Collection

_RATE = "rateLimit { cost remaining limit resetAt }"
_PAGE = "pageInfo { hasNextPage endCursor }"
_COMMIT = """oid message authoredDate committedDate additions deletions changedFilesIfAvailable url
author { name email user { login } } committer { name email user { login } }"""
_SAID = "id fullDatabaseId author { login } body createdAt updatedAt url"
_COMMENT = f"{_SAID} lastEditedAt isMinimized"
_REVIEW = f"{_SAID} state submittedAt commit {{ oid }}"
_REVIEW_COMMENT = f"{_SAID} path diffHunk outdated replyTo {{ id }} pullRequestReview {{ id }}"
_THREAD = "id isResolved isOutdated path line startLine originalLine diffSide resolvedBy { login }"
_ISSUE = """id fullDatabaseId number title body state locked author { login } createdAt updatedAt closedAt url
milestone { title } labels(first: 100) { nodes { name } } assignees(first: 20) { nodes { login } }"""
_PULL = f"""{_ISSUE} isDraft mergedAt mergedBy {{ login }} mergeCommit {{ oid }} baseRefName baseRefOid
headRefName headRefOid additions deletions changedFiles reviewDecision"""
_REPOSITORY = """id databaseId name nameWithOwner owner { login } description url homepageUrl visibility
isArchived isDisabled isFork isTemplate createdAt updatedAt pushedAt archivedAt diskUsage
forkCount stargazerCount defaultBranchRef { name } primaryLanguage { name } licenseInfo { key spdxId }
repositoryTopics(first: 20) { nodes { topic { name } } }"""

LISTS = {
    "pull_request_commits": ("PullRequest", "commits", f"commit {{ {_COMMIT} }}"),
    "pull_request_comments": ("PullRequest", "comments", _COMMENT),
    "reviews": ("PullRequest", "reviews", _REVIEW),
    "review_threads": ("PullRequest", "reviewThreads", _THREAD),
    "review_comments": ("PullRequestReviewThread", "comments", _REVIEW_COMMENT),
    "issue_comments": ("Issue", "comments", _COMMENT),
}
"""Stream of children -> type of what they are nested in, the list's name there, fields of a child."""


def _list(stream: str, size: str, inner: str = "") -> str:
    _, name, fields = LISTS[stream]
    return f"{name}(first: {size}) {{ totalCount {_PAGE} nodes {{ {fields} {inner} }} }}"


def _threads(children: Collection[str]) -> str:
    """Threads are asked for their comments, too, whose stream may be wanted alone."""
    comments = _list("review_comments", "$inner") if "review_comments" in children else ""
    return _list("review_threads", "$inner", comments)


def _paged(type_: str, body: str, more: str = "") -> str:
    """A document that asks for a page of something within the node `id`; `more` variables."""
    variables = f"$id: ID!, $first: Int!, $after: String{more}"
    return f"query({variables}) {{ {_RATE} node(id: $id) {{ ... on {type_} {{ {body} }} }} }}"


def pull_requests(children: Collection[str], *, only_open: bool) -> str:
    """A page of pull requests, the newest update first, and the beginning of their lists.

    Variables: id of the repository, first, after, nested (size of a list), inner (of threads).
    """
    states = "states: OPEN, " if only_open else ""
    lists = [
        _list(stream, "$nested")
        for stream in ("pull_request_commits", "pull_request_comments", "reviews")
        if stream in children
    ]
    more = ", $nested: Int!" if lists else ""
    if {"review_threads", "review_comments"} & set(children):
        lists.append(_threads(children))
        more += ", $inner: Int!"
    order = "orderBy: {field: UPDATED_AT, direction: DESC}"
    nodes = f"nodes {{ {_PULL} {' '.join(lists)} }}"
    body = f"page: pullRequests({states}first: $first, after: $after, {order}) {{ {_PAGE} {nodes} }}"
    return _paged("Repository", body, more)


ONE_PULL_REQUEST = _paged(
    "Repository",
    f"""page: pullRequests(first: $first, after: $after, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
{_PAGE} nodes {{ id number updatedAt url }} }}""",
)
"""What can be told of one that cannot be read, and where the list goes on."""


def issues(children: Collection[str]) -> str:
    """A page of issues updated since, the oldest update first, and the beginning of their lists.

    Variables: id of the repository, first, after, since, nested.
    """
    lists = _list("issue_comments", "$nested") if "issue_comments" in children else ""
    more = ", $since: DateTime" + (", $nested: Int!" if lists else "")
    order = "orderBy: {field: UPDATED_AT, direction: ASC}"
    arguments = f"first: $first, after: $after, filterBy: {{since: $since}}, {order}"
    body = f"page: issues({arguments}) {{ {_PAGE} nodes {{ {_ISSUE} stateReason {lists} }} }}"
    return _paged("Repository", body, more)


def more_of(stream: str, children: Collection[str]) -> str:
    """The rest of one nested list. Variables: id of what holds it, first, after, and inner for threads."""
    type_, name, fields = LISTS[stream]
    inner = more = ""
    if stream == "review_threads" and "review_comments" in children:
        inner, more = _list("review_comments", "$inner"), ", $inner: Int!"
    page = f"totalCount {_PAGE} nodes {{ {fields} {inner} }}"
    return _paged(type_, f"page: {name}(first: $first, after: $after) {{ {page} }}", more)


def _newest_first(name: str, fields: str) -> str:
    order = "orderBy: {field: CREATED_AT, direction: DESC}"
    body = f"page: {name}(first: $first, after: $after, {order}) {{ {_PAGE} nodes {{ {fields} }} }}"
    return _paged("Repository", body)


RELEASES = _newest_first(
    "releases",
    """id databaseId name tagName tagCommit { oid } description isDraft isLatest isPrerelease author { login }
createdAt publishedAt updatedAt url""",
)
DEPLOYMENTS = _newest_first(
    "deployments",
    """id databaseId environment state task description ref { name } commitOid creator { login } createdAt
updatedAt latestStatus { state description environmentUrl logUrl createdAt updatedAt }""",
)

HEAD = f"""query($id: ID!) {{ {_RATE} node(id: $id) {{ ... on Repository {{
defaultBranchRef {{ name target {{ oid }} }} }} }} }}"""

_HISTORY = f"{_PAGE} nodes {{ {_COMMIT} parents(first: 100) {{ nodes {{ oid }} }} }}"
HISTORY = _paged(
    "Repository",
    f"""object(oid: $head) {{ ... on Commit {{
page: history(first: $first, after: $after) {{ {_HISTORY} }} }} }}""",
    ", $head: GitObjectID!",
)
"""Behind one commit, whatever the branch does meanwhile: its cursors count from there."""

OF_OWNER = f"""query($login: String!, $first: Int!, $after: String) {{ {_RATE}
owner: repositoryOwner(login: $login) {{ login page: repositories(first: $first, after: $after,
ownerAffiliations: [OWNER], orderBy: {{field: CREATED_AT, direction: ASC}}) {{
totalCount {_PAGE} nodes {{ {_REPOSITORY} }} }} }} }}"""

ONE_REPOSITORY = f"""query($owner: String!, $name: String!) {{ {_RATE}
repository(owner: $owner, name: $name) {{ {_REPOSITORY} }} }}"""

VIEWER = f"query {{ {_RATE} viewer {{ login }} }}"
