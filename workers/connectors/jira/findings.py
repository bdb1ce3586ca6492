"""What `integrations test` tells of a Jira site: who we are, what may be read, what is missing and its
name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from etl_core.connector import Finding, JsonObject
from etl_core.errors import RateLimited, SourceError, Transient, Unauthorised
from workers.connectors.jira.client import JiraClient, Project
from workers.connectors.jira.config import JiraConfig
from workers.connectors.jira.moments import changed_since
from workers.http import Forbidden

_NAMED = 5
_SCOPES = {
    "read:jira-work": {"projects", "issue_types", "statuses", "issues", "changelogs", "comments", "worklogs"},
    "read:jira-user": {"users"},
    "read:board-scope:jira-software": {"boards", "sprints"},
    "read:sprint:jira-software": {"sprints"},
}
"""OAuth 2 scope -> the streams that need it."""


async def look(client: JiraClient, config: JiraConfig) -> list[Finding]:
    """Findings in the order in which a person would look.

    Raises:
        Unauthorised: the credential is refused, so there is nothing to tell but that.
    """
    who = await client.myself()
    found = [_account(who), await _site(client, config)]
    found += await _granted(client, config)
    listed = await client.projects()
    found.append(_projects(config, listed))
    wanted = [project for project in listed if config.wants_project(project.key)]
    if wanted and "issues" in config.streams:
        found.append(
            await _try(
                "issues",
                lambda: _search(client, wanted),
                "the permission Browse Projects (BROWSE_PROJECTS) in these projects",
            )
        )
    if "users" in config.streams:
        need = "the global permission Browse users and groups (USER_PICKER), scope read:jira-user"
        found.append(await _try("users", lambda: _first_users(client), need))
    if {"boards", "sprints"} & set(config.streams):
        need = "access to Jira Software, scopes read:board-scope:jira-software and read:sprint:jira-software"
        found.append(await _try("boards", lambda: _boards(client), need))
    if config.census_every:
        found.append(await _recycle_bin(client, config))
    return found


def _account(who: JsonObject) -> Finding:
    name = who.get("displayName") or who.get("name") or who.get("accountId")
    return Finding("account", "ok", f"{name}, time zone {who.get('timeZone', 'unknown')}")


async def _site(client: JiraClient, config: JiraConfig) -> Finding:
    info = await client.server()
    kind = str(info.get("deploymentType", "unknown"))
    told = f"Jira {kind} {info.get('version', '')} at {info.get('baseUrl', config.site)}".replace("  ", " ")
    if config.is_cloud is not (kind == "Cloud") and kind != "unknown":
        wanted = "auth of type api_token or oauth2" if kind == "Cloud" else "auth of type personal_token"
        return Finding("site", "failed", told, f"use {wanted}")
    return Finding("site", "ok", told)


async def _granted(client: JiraClient, config: JiraConfig) -> list[Finding]:
    scopes = await client.scopes()
    if scopes is None:
        return []
    missing = [
        scope for scope, streams in _SCOPES.items() if scope not in scopes and streams & set(config.streams)
    ]
    if not missing:
        return [Finding("scopes", "ok", ", ".join(sorted(scopes)))]
    detail = f"{', '.join(missing)} not granted; granted: {', '.join(sorted(scopes)) or 'none'}"
    return [Finding("scopes", "missing", detail, "grant the app these scopes and let it be authorised anew")]


def _projects(config: JiraConfig, listed: Sequence[Project]) -> Finding:
    wanted = sorted(project.key for project in listed if config.wants_project(project.key))
    remedy = "give the account the permission Browse Projects (BROWSE_PROJECTS) there"
    absent = [
        pattern
        for pattern in config.projects
        if not any(config.model_copy(update={"projects": (pattern,)}).wants_project(p.key) for p in listed)
    ]
    if not listed:
        return Finding("projects", "missing", "the account may browse none", remedy)
    if absent:
        detail = f"none of the {len(listed)} that may be browsed is {', '.join(absent[:_NAMED])}"
        keys = ", ".join(project.key for project in listed[:_NAMED])
        return Finding("projects", "missing", detail, f"there are {keys}: correct `projects`, or {remedy}")
    more = f" and {len(wanted) - _NAMED} more" if len(wanted) > _NAMED else ""
    of = f" of {len(listed)}" if len(wanted) != len(listed) else ""
    return Finding("projects", "ok", f"{len(wanted)}{of}: {', '.join(wanted[:_NAMED])}{more}")


async def _search(client: JiraClient, wanted: Sequence[Project]) -> str:
    jql = changed_since(0, projects=[project.id for project in wanted[:50]])
    found = await client.search(jql, ["updated"], size=1, token=None)
    return "can be searched" if found.issues else "can be searched; there is none yet"


async def _first_users(client: JiraClient) -> str:
    async for users, _ in client.users(0):
        return f"can be listed, {len(users)} and more"
    return "can be listed; none is seen"


async def _boards(client: JiraClient) -> str:
    return f"{len(await client.boards())} can be listed"


async def _recycle_bin(client: JiraClient, config: JiraConfig) -> Finding:
    what = "deleted projects"
    if not config.is_cloud:
        detail = "Data Center does not tell them from those that may not be browsed: their issues are kept"
        return Finding(what, "unknown", detail)
    found = await client.deleted_projects()
    if found:
        return Finding(what, "ok", f"{len(found)} in the recycle bin")
    return Finding(what, "unknown", "none is seen: there is none, or the account does not administer Jira")


async def _try(what: str, ask: Callable[[], Awaitable[Any]], need: str) -> Finding:
    """A finding of one part; what is wrong with it does not end the look."""
    try:
        return Finding(what, "ok", str(await ask()))
    except Forbidden as error:
        remedy = f"give the credential {need}, or leave {what} out of streams"
        return Finding(what, "missing", f"{error.status}: {error.excerpt or 'refused'}", remedy)
    except (Transient, RateLimited) as error:
        return Finding(what, "unknown", str(error), "try again")
    except Unauthorised:
        raise
    except SourceError as error:
        return Finding(what, "failed", str(error))
