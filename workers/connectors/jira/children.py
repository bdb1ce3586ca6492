"""What is read with a page of issues: their changelogs, comments and worklogs, each of them whole.

An issue carries the first of them at best (20 comments, 40 changes); the rest is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from etl_core.connector import JsonObject
from workers.connectors.jira.client import JiraClient
from workers.http import Missing

_FIELDS = {"comments": "comment", "worklogs": "worklog"}
_MOST_ISSUES = 1_000
"""Of a bulk request for changelogs."""


@dataclass(slots=True)
class Children:
    """Records by stream, each with the `issue_id` it belongs to."""

    records: dict[str, list[JsonObject]] = field(default_factory=dict)
    whole_of: dict[str, list[str]] = field(default_factory=dict)
    """Stream -> ids of issues of which all there are is among `records`."""


async def children_of(
    client: JiraClient, issues: Sequence[JsonObject], streams: Sequence[str], *, is_cloud: bool
) -> Children:
    """The children of these issues, for the streams of `config.CHILDREN` that are wanted.

    An issue that is gone in between has those that it carried itself.
    """
    found = Children({name: [] for name in streams}, {name: [] for name in streams if name in _FIELDS})
    known = [issue for issue in issues if issue.get("id")]
    for name in found.whole_of:
        for issue in known:
            await _take(client, found, name, issue)
    if "changelogs" not in streams:
        return found
    if is_cloud:
        ids = [str(issue["id"]) for issue in known]
        for at in range(0, len(ids), _MOST_ISSUES):
            async for issue_id, entries in client.changelogs(ids[at : at + _MOST_ISSUES]):
                _add(found, "changelogs", issue_id, entries)
        return found
    for issue in known:
        issue_id = str(issue["id"])
        entries, is_whole = _carried(issue.get("changelog"), "histories")
        if not is_whole:
            with suppress(Missing):
                entries = await client.whole_changelog(issue_id)
        _add(found, "changelogs", issue_id, entries)
    return found


async def _take(client: JiraClient, found: Children, name: str, issue: JsonObject) -> None:
    issue_id = str(issue["id"])
    fields = issue.get("fields")
    carried = fields.get(_FIELDS[name]) if isinstance(fields, Mapping) else None
    children, is_whole = _carried(carried, name)
    if not is_whole:
        with suppress(Missing):
            children = await client.children(issue_id, _FIELDS[name])
            is_whole = True
    _add(found, name, issue_id, children)
    if is_whole:
        found.whole_of[name].append(issue_id)


def _carried(part: Any, name: str) -> tuple[list[JsonObject], bool]:
    """What an issue has of a list, and whether that is all of it."""
    if not isinstance(part, Mapping) or not isinstance(part.get(name), list):
        return [], False
    total = part.get("total")
    return part[name], isinstance(total, int) and len(part[name]) >= total


def _add(found: Children, name: str, issue_id: str, children: Sequence[JsonObject]) -> None:
    found.records[name] += [{**child, "issue_id": issue_id} for child in children]
