"""What of the world a client should have in the end, independent of how it is rendered and read."""

from __future__ import annotations

from typing import Any

from .records import Issue
from .world import World

Facts = dict[str, dict[str, Any]]
"""Id -> facts, JSON values; times in epoch milliseconds."""


def rows_of(world: World) -> dict[str, Facts]:
    """The facts of each stream, of what the account may browse."""
    issues = [i for i in world.issues.values() if world.may_browse(i.project_id)]
    return {
        "projects": {
            str(p.id): {"key": p.key, "name": p.name}
            for p in world.projects.values()
            if world.may_browse(p.id)
        },
        "issues": {str(issue.id): facts_of(issue) for issue in issues},
        "changelogs": {
            str(h.id): {"issue_id": i.id, "created": h.created, "items": len(h.items)}
            for i in issues
            for h in i.histories
        },
        "comments": {
            str(c.id): {"issue_id": i.id, "body": c.body, "updated": c.updated}
            for i in issues
            for c in i.comments
        },
        "worklogs": {
            str(w.id): {"issue_id": i.id, "seconds": w.seconds, "updated": w.updated}
            for i in issues
            for w in i.worklogs
        },
        "boards": {
            str(b.id): {"name": b.name} for b in world.boards.values() if world.may_browse(b.project_id)
        },
        "sprints": {
            str(s.id): {"name": s.name, "state": s.state}
            for s in world.sprints.values()
            if world.may_browse(world.boards[s.board_id].project_id)
        },
    }


def facts_of(issue: Issue) -> dict[str, Any]:
    return {
        "key": issue.key,
        "project_id": issue.project_id,
        "summary": issue.summary,
        "status": issue.status.name,
        "assignee": issue.assignee,
        "points": issue.points,
        "updated": issue.updated,
    }
