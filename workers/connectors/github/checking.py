"""What `integrations test` tells: who we are, which scopes, what of the configuration can be read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from etl_core.connector import Finding
from etl_core.errors import SourceError, Unauthorised
from workers.connectors.github import queries
from workers.connectors.github.answers import NotAllowed, NotThere
from workers.connectors.github.api import GitHub, next_cursor, nodes_of
from workers.connectors.github.census import is_meant, one_repository
from workers.connectors.github.config import GitHubConfig
from workers.connectors.github.page_size import PageSize
from workers.http import Forbidden, Missing

_NAMED = 5
_SCOPES = {"repo": "private repositories", "read:org": "members and teams of organisations"}
_PERMISSIONS: Mapping[str, Collection[str]] = {
    "contents": ("commits", "releases"),
    "pull_requests": (
        "pull_requests",
        "pull_request_commits",
        "pull_request_comments",
        "reviews",
        "review_threads",
        "review_comments",
    ),
    "issues": ("issues", "issue_comments"),
    "deployments": ("deployments",),
    "actions": ("workflow_runs",),
}
"""Of an App, and the streams that want it."""
_INCLUDED_IN = {"read:org": ("admin:org", "write:org")}


async def look(api: GitHub, config: GitHubConfig) -> Sequence[Finding]:
    """Raises: Unauthorised: the credential is refused. SourceError: GitHub cannot be asked at all."""
    found = [await _credential(api, config), *await _scopes(api, config), await _limit(api)]
    names: list[str] = []
    for owner in config.owners:
        finding, some = await _owner(api, config, owner)
        found.append(finding)
        names += some
    for name in config.repositories:
        finding, some = await _repository(api, name)
        found.append(finding)
        names += some
    if names and config.wants("workflow_runs"):
        found.append(await _workflow_runs(api, names[0]))
    return found


async def _credential(api: GitHub, config: GitHubConfig) -> Finding:
    if config.app is not None:
        told = f"installation {config.app.installation_id} of App {config.app.app_id}"
        return Finding("credential", "ok", f"{told} signs in at {config.api_url}")
    data = await PageSize(1).fit(lambda: api.query(queries.VIEWER))
    return Finding("credential", "ok", f"signed in as {data['viewer']['login']} at {config.api_url}")


async def _scopes(api: GitHub, config: GitHubConfig) -> list[Finding]:
    """Classic tokens tell theirs; what others may is seen by asking."""
    if config.app is not None:
        return await _permissions(api, config)
    answer = await api.get("/user")
    header = answer.headers.get("x-oauth-scopes")
    if header is None:
        told = "a fine-grained token: GitHub does not tell its permissions"
        remedy = "it needs read access to Metadata, Contents, Pull requests, Issues, Deployments, Actions"
        return [Finding("scopes", "unknown", told, remedy)]
    scopes = {scope.strip() for scope in header.split(",") if scope.strip()}
    found = [Finding("scopes", "ok", ", ".join(sorted(scopes)) or "none: only what is public")]
    for scope, what in _SCOPES.items():
        if not scopes & {scope, *_INCLUDED_IN.get(scope, ())}:
            remedy = f"a classic token with scope {scope}, if there are any to be read"
            found.append(Finding(f"scope {scope}", "missing", f"without it no {what}", remedy))
    return found


async def _permissions(api: GitHub, config: GitHubConfig) -> list[Finding]:
    """What the App was granted, and what the streams want beyond that."""
    await api.get("/rate_limit")  # no token was asked for before
    granted = api.permissions
    told = ", ".join(f"{name} {level}" for name, level in sorted(granted.items()))
    found = [Finding("permissions", "ok" if told else "unknown", told or "GitHub does not tell them")]
    for name, streams in _PERMISSIONS.items() if granted else ():
        wanted = [stream for stream in config.streams if stream in streams]
        if wanted and name not in granted:
            remedy = (
                f"give the App the repository permission {name}: read, and accept it where it is installed"
            )
            found.append(
                Finding(f"permission {name}", "missing", f"without it no {', '.join(wanted)}", remedy)
            )
    return found


async def _limit(api: GitHub) -> Finding:
    answer = await api.get("/rate_limit")
    resources = answer.json["resources"]
    told = ", ".join(
        f"{resources[name]['remaining']:,} of {resources[name]['limit']:,} {what} left"
        for name, what in (("graphql", "points of GraphQL"), ("core", "requests of REST"))
        if name in resources
    )
    return Finding("rate limit", "ok", told)


async def _owner(api: GitHub, config: GitHubConfig, owner: str) -> tuple[Finding, list[str]]:
    """The first hundred repositories tell enough."""

    async def ask() -> Any:
        return await api.query(queries.OF_OWNER, login=owner, first=100, after=None)

    try:
        data = await PageSize(1).fit(ask)
    except (NotThere, NotAllowed) as error:
        return _unread(owner, error), []
    if not data["owner"]:
        told = "no organisation or user of this name, or not for this credential"
        return Finding(
            owner, "failed", told, "see its spelling; an organisation may have to approve the token"
        ), []
    page = data["owner"]["page"]
    meant = [node["nameWithOwner"] for node in nodes_of(page) if is_meant(config, node)]
    private = sum(1 for node in nodes_of(page) if node["visibility"] != "PUBLIC")
    more = " of the first 100" if next_cursor(page) else ""
    told = f"{page['totalCount']} repositories can be read; {len(meant)}{more} are meant{_some(meant)}"
    if not meant:
        return Finding(owner, "missing", told, "include, exclude, archived and forks leave none"), []
    return Finding(owner, "ok", f"{told}; {private} not public"), meant


async def _repository(api: GitHub, name: str) -> tuple[Finding, list[str]]:
    try:
        node = await one_repository(api, name)
    except (NotThere, NotAllowed) as error:
        return _unread(name, error), []
    current = node["nameWithOwner"]
    if current.lower() != name.lower():
        told = f"is called {current} now"
        return Finding(name, "ok", told, "give the new name: the old one may become another's"), [current]
    return Finding(name, "ok", f"can be read, {node['visibility'].lower()}"), [current]


async def _workflow_runs(api: GitHub, name: str) -> Finding:
    """By REST, whose permissions are others."""
    try:
        await api.get(f"/repos/{name}/actions/runs", per_page=1)
    except (Forbidden, Missing) as error:
        remedy = (
            "permission Actions (read); a classic token: scope repo. Or leave workflow_runs out of streams"
        )
        return Finding("workflow runs", "missing", f"of {name}: {error.status}", remedy)
    return Finding("workflow runs", "ok", f"of {name} can be read")


def _unread(name: str, error: SourceError) -> Finding:
    if isinstance(error, Unauthorised):
        raise error
    state = "missing" if isinstance(error, NotAllowed) else "failed"
    return Finding(name, state, str(error), "see its spelling, and what the credential may")  # type: ignore[arg-type]  # one of the words


def _some(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f" ({', '.join(names[:_NAMED])}{more})"
