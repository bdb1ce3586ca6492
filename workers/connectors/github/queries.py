"""The GraphQL that is asked, as text: each document is the same from call to call, but for what was chosen.

Names and types are those of GitHub's public schema; a test validates every document against the part of it that
the simulator holds.
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
milestone { title } labels(first: 50) { nodes { name } } assignees(first: 20) { nodes { login } }"""
_PULL = f"""{_ISSUE} isDraft mergedAt mergedBy {{ login }} mergeCommit {{ oid }} baseRefName baseRefOid
headRefName headRefOid additions deletions changedFiles reviewDecision"""
_REPOSITORY = """id databaseId name nameWithOwner owner { login } description url homepageUrl visibility isArchived
isDisabled isFork isTemplate createdAt updatedAt pushedAt archivedAt diskUsage forkCount stargazerCount
defaultBranchRef { name } primaryLanguage { name } licenseInfo { key spdxId }
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
    threads = {"review_threads", "review_comments"} & set(children)
    if threads:
        lists.append(_threads(children))
    declared = "$nested: Int!" if len(lists) > bool(threads) else ""
    declared += " $inner: Int!" if threads else ""
    return f"""query($id: ID!, $first: Int!, $after: String {declared}) {{ {_RATE} node(id: $id) {{
... on Repository {{ page: pullRequests({states}first: $first, after: $after,
orderBy: {{field: UPDATED_AT, direction: DESC}}) {{ {_PAGE} nodes {{ {_PULL} {" ".join(lists)} }} }} }} }} }}"""


def issues(children: Collection[str]) -> str:
    """A page of issues updated since, the oldest update first, and the beginning of their lists.

    Variables: id of the repository, first, after, since, nested.
    """
    lists = _list("issue_comments", "$nested") if "issue_comments" in children else ""
    declared = "$nested: Int!" if lists else ""
    return f"""query($id: ID!, $first: Int!, $after: String, $since: DateTime {declared}) {{ {_RATE}
node(id: $id) {{ ... on Repository {{ page: issues(first: $first, after: $after, filterBy: {{since: $since}},
orderBy: {{field: UPDATED_AT, direction: ASC}}) {{ {_PAGE} nodes {{ {_ISSUE} stateReason {lists} }} }} }} }} }}"""


def more_of(stream: str, children: Collection[str]) -> str:
    """The rest of one nested list. Variables: id of what holds it, first, after."""
    type_, name, fields = LISTS[stream]
    inner = ""
    declared = ""
    if stream == "review_threads" and "review_comments" in children:
        inner, declared = _list("review_comments", "$inner"), "$inner: Int!"
    return f"""query($id: ID!, $first: Int!, $after: String {declared}) {{ {_RATE} node(id: $id) {{
... on {type_} {{ page: {name}(first: $first, after: $after) {{ totalCount {_PAGE} nodes {{ {fields} {inner} }} }} }} }} }}"""


HEAD = f"""query($id: ID!) {{ {_RATE} node(id: $id) {{ ... on Repository {{
defaultBranchRef {{ name target {{ oid }} }} }} }} }}"""

HISTORY = f"""query($id: ID!, $head: GitObjectID!, $first: Int!, $after: String) {{ {_RATE} node(id: $id) {{
... on Repository {{ object(oid: $head) {{ ... on Commit {{ page: history(first: $first, after: $after) {{
{_PAGE} nodes {{ {_COMMIT} parents(first: 100) {{ nodes {{ oid }} }} }} }} }} }} }} }} }}"""

RELEASES = f"""query($id: ID!, $first: Int!, $after: String) {{ {_RATE} node(id: $id) {{ ... on Repository {{
page: releases(first: $first, after: $after, orderBy: {{field: CREATED_AT, direction: DESC}}) {{ {_PAGE} nodes {{
id databaseId name tagName tagCommit {{ oid }} description isDraft isLatest isPrerelease author {{ login }}
createdAt publishedAt updatedAt url }} }} }} }} }}"""

DEPLOYMENTS = f"""query($id: ID!, $first: Int!, $after: String) {{ {_RATE} node(id: $id) {{ ... on Repository {{
page: deployments(first: $first, after: $after, orderBy: {{field: CREATED_AT, direction: DESC}}) {{ {_PAGE}
nodes {{ id databaseId environment state task description ref {{ name }} commitOid creator {{ login }}
latestStatus {{ state description environmentUrl logUrl createdAt updatedAt }} createdAt updatedAt }} }} }} }} }}"""

OF_OWNER = f"""query($login: String!, $first: Int!, $after: String) {{ {_RATE} owner: repositoryOwner(login: $login) {{
login page: repositories(first: $first, after: $after, ownerAffiliations: [OWNER],
orderBy: {{field: CREATED_AT, direction: ASC}}) {{ totalCount {_PAGE} nodes {{ {_REPOSITORY} }} }} }} }}"""

ONE_REPOSITORY = f"""query($owner: String!, $name: String!) {{ {_RATE}
repository(owner: $owner, name: $name) {{ {_REPOSITORY} }} }}"""

VIEWER = f"query {{ {_RATE} viewer {{ login }} }}"
