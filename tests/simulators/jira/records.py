"""What the simulated site holds. Records are frozen: a change replaces one, an index may keep the old.

All times are epoch milliseconds, as the server keeps them; what a client sees of them is `rendering`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    account_id: str
    name: str
    """The user name of Data Center, which has no account ids."""
    display_name: str
    email: str | None
    """None: hidden by the user's privacy settings, which leaves the field out."""
    is_active: bool = True
    kind: str = "atlassian"


@dataclass(frozen=True, slots=True)
class Project:
    id: int
    key: str
    name: str
    lead: str
    kind: str = "software"
    next_number: int = 1


@dataclass(frozen=True, slots=True)
class Named:
    """An issue type, a status or a priority."""

    id: int
    name: str
    extra: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """One entry of a changelog: who changed what, from what to what."""

    id: int
    author: str
    created: int
    items: tuple[tuple[str, str | None, str | None], ...]
    """(field, from, to)"""


@dataclass(frozen=True, slots=True)
class Comment:
    id: int
    author: str
    body: str
    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class Worklog:
    id: int
    issue_id: int
    author: str
    started: int
    seconds: int
    comment: str
    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class Issue:
    """`key` changes when it is moved; `id` never does."""

    id: int
    project_id: int
    key: str
    summary: str
    description: str | None
    type: Named
    status: Named
    priority: Named | None
    reporter: str
    assignee: str | None
    created: int
    updated: int
    resolved: int | None = None
    due: str | None = None
    labels: tuple[str, ...] = ()
    points: float | None = None
    sprint: int | None = None
    parent_id: int | None = None
    histories: tuple[History, ...] = ()
    comments: tuple[Comment, ...] = ()
    worklogs: tuple[Worklog, ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    id: int
    name: str
    kind: str
    """scrum, or kanban, which has no sprints."""
    project_id: int


@dataclass(frozen=True, slots=True)
class Sprint:
    id: int
    board_id: int
    name: str
    state: str
    start: int | None = None
    end: int | None = None
    completed: int | None = None
    goal: str | None = field(default=None)
