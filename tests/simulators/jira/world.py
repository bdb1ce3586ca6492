"""The site: what is in it, its clock, and every change that can happen to it.

Deterministic by its seed: the same seed and the same calls give the same site. Time passes only when
somebody lets it (`pass_time`, or each request, as the server does); the demo lets it follow the real clock.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import replace

from .records import (
    Board,
    Comment,
    History,
    Issue,
    Named,
    Project,
    Sprint,
    User,
    Worklog,
)

BEGIN_MS = 1_741_000_000_000
"""2025-03-03 11:06:40 UTC."""
DAY_MS = 86_400_000

ISSUE_TYPES = (
    Named(10001, "Story", (("subtask", False),)),
    Named(10002, "Task", (("subtask", False),)),
    Named(10003, "Bug", (("subtask", False),)),
    Named(10004, "Sub-task", (("subtask", True),)),
)
STATUSES = (
    Named(1, "To Do", (("category", "new"),)),
    Named(3, "In Progress", (("category", "indeterminate"),)),
    Named(10010, "In Review", (("category", "indeterminate"),)),
    Named(10011, "Done", (("category", "done"),)),
)
PRIORITIES = (Named(1, "Highest"), Named(2, "High"), Named(3, "Medium"), Named(4, "Low"))

_NAMES = (
    "Ada Núñez",
    "Bo Lindqvist",
    "Chidi Okafor",
    "Dana Cohen",
    "Emre Yıldız",
    "Fang Wei",
    "Grace O'Neil",
)
_VERBS = ("Fix", "Add", "Remove", "Document", "Speed up", "Rename", "Secure", "Test")
_THINGS = ("the login page", "the export", "retries", "the nightly job", "search", "the invoice", "the API")


class World:
    """Projects, issues and people of one site. Look at its attributes; change it by its methods only."""

    def __init__(
        self,
        seed: int = 0,
        *,
        projects: int = 3,
        issues: int = 60,
        users: int = 7,
        lag_ms: int = 20_000,
        begin_ms: int = BEGIN_MS,
    ) -> None:
        """`lag_ms`: how late the search index may learn of a change; each change by its own share of it.
        `begin_ms`: the moment at which it is handed over, with 60 days behind it."""
        self.seed = seed
        self.lag_ms = lag_ms
        self.random = random.Random(seed)
        self.now_ms = begin_ms
        self.users: dict[str, User] = {}
        self.projects: dict[int, Project] = {}
        self.deleted_projects: dict[int, Project] = {}
        self.forbidden: set[int] = set()
        """Projects that the account may not browse."""
        self.issues: dict[int, Issue] = {}
        self.index: dict[int, Issue] = {}
        """What a search finds: the issues as they were up to `lag_ms` ago."""
        self.boards: dict[int, Board] = {}
        self.sprints: dict[int, Sprint] = {}
        self.deleted_worklogs: dict[int, int] = {}
        """Worklog id -> when it was deleted."""
        self.versions: dict[int, list[tuple[int, Issue | None]]] = {}
        """Of each issue: since when it was how; None: deleted. What a run may have seen is one of these."""
        self._pending: list[tuple[int, int, int, Issue | None]] = []
        self._indexed: dict[int, int] = {}
        self._changes = 0
        self._next_id = 10_000
        self._make(projects, issues, users)
        self.settle()

    # -- time

    def pass_time(self, ms: int) -> None:
        """The clock moves on, and the index learns of what is due."""
        self.now_ms += ms
        while self._pending and self._pending[0][0] <= self.now_ms:
            _, change, issue_id, issue = heapq.heappop(self._pending)
            if change < self._indexed.get(issue_id, 0):
                continue  # a later change of this issue was faster
            self._indexed[issue_id] = change
            if issue is None:
                self.index.pop(issue_id, None)
            else:
                self.index[issue_id] = issue

    def settle(self) -> None:
        """Time passes until the index knows everything."""
        self.pass_time(self.lag_ms + 1)

    # -- changes

    def create_issue(self, project_id: int | None = None, *, at: int | None = None) -> Issue:
        random = self.random
        project = self.projects[project_id or random.choice(sorted(self.projects))]
        self.projects[project.id] = replace(project, next_number=project.next_number + 1)
        now = self.now_ms if at is None else at
        issue = Issue(
            id=self._id(),
            project_id=project.id,
            key=f"{project.key}-{project.next_number}",
            summary=f"{random.choice(_VERBS)} {random.choice(_THINGS)}",
            description=random.choice((None, "As seen by *many* users.\n\nSecond paragraph.")),
            type=random.choice(ISSUE_TYPES[:3]),
            status=STATUSES[0],
            priority=random.choice((*PRIORITIES, None)),
            reporter=self._somebody(),
            assignee=random.choice((None, self._somebody())),
            created=now,
            updated=now,
            due=random.choice((None, "2025-04-01")),
            labels=tuple(random.sample(("api", "ui", "urgent", "ops"), random.randrange(3))),
            points=random.choice((None, 1.0, 2.0, 3.5, 8.0)),
            sprint=random.choice((None, *sorted(self.sprints))),
        )
        return self._put(issue)

    def edit_issue(self, issue_id: int, **fields: object) -> Issue:
        """Without `fields` its status or summary changes. One history entry says what did."""
        issue = self.issues[issue_id]
        if not fields:
            if self.random.random() < 0.6:
                fields = {"status": self.random.choice([s for s in STATUSES if s != issue.status])}
            else:
                fields = {"summary": f"{issue.summary.split(' (')[0]} ({self.random.randrange(10_000)})"}
        if "status" in fields:
            fields["resolved"] = self.now_ms if fields["status"] == STATUSES[-1] else None
        items = tuple(
            (name, _told(getattr(issue, name)), _told(value))
            for name, value in fields.items()
            if name != "resolved"
        )
        entry = History(self._id(), self._somebody(), self.now_ms, items)
        return self._touch(issue_id, histories=(*issue.histories, entry), **fields)

    def bulk_edit(self, issue_ids: Iterable[int]) -> None:
        """A bulk change: all of them are updated in the same millisecond."""
        for issue_id in issue_ids:
            self.edit_issue(issue_id, labels=("bulk", str(self._changes)))

    def move_issue(self, issue_id: int, project_id: int | None = None) -> Issue:
        """Into another project: its key changes, its id stays."""
        issue = self.issues[issue_id]
        others = [p for p in sorted(self.projects) if p != issue.project_id]
        project = self.projects[project_id or self.random.choice(others)]
        self.projects[project.id] = replace(project, next_number=project.next_number + 1)
        key = f"{project.key}-{project.next_number}"
        entry = History(self._id(), self._somebody(), self.now_ms, (("Key", issue.key, key),))
        return self._touch(issue_id, histories=(*issue.histories, entry), project_id=project.id, key=key)

    def delete_issue(self, issue_id: int) -> None:
        issue = self.issues.pop(issue_id)
        for worklog in issue.worklogs:
            self.deleted_worklogs[worklog.id] = self.now_ms
        self._note(issue_id, None)

    def add_comment(self, issue_id: int) -> Comment:
        comment = Comment(self._id(), self._somebody(), f"Comment {self._changes}", self.now_ms, self.now_ms)
        self._touch(issue_id, comments=(*self.issues[issue_id].comments, comment))
        return comment

    def edit_comment(self, issue_id: int, comment_id: int) -> None:
        self._touch(
            issue_id,
            comments=tuple(
                replace(c, body=f"{c.body} (edited)", updated=self.now_ms) if c.id == comment_id else c
                for c in self.issues[issue_id].comments
            ),
        )

    def delete_comment(self, issue_id: int, comment_id: int) -> None:
        kept = tuple(c for c in self.issues[issue_id].comments if c.id != comment_id)
        self._touch(issue_id, comments=kept)

    def add_worklog(self, issue_id: int) -> Worklog:
        worklog = Worklog(
            self._id(),
            issue_id,
            self._somebody(),
            self.now_ms - 3_600_000,
            self.random.choice((900, 1_800, 3_600)),
            "Worked on it",
            self.now_ms,
            self.now_ms,
        )
        self._touch(issue_id, worklogs=(*self.issues[issue_id].worklogs, worklog))
        return worklog

    def edit_worklog(self, issue_id: int, worklog_id: int) -> None:
        self._touch(
            issue_id,
            worklogs=tuple(
                replace(w, seconds=w.seconds + 60, updated=self.now_ms) if w.id == worklog_id else w
                for w in self.issues[issue_id].worklogs
            ),
        )

    def delete_worklog(self, issue_id: int, worklog_id: int) -> None:
        kept = tuple(w for w in self.issues[issue_id].worklogs if w.id != worklog_id)
        self.deleted_worklogs[worklog_id] = self.now_ms
        self._touch(issue_id, worklogs=kept)

    def create_project(self, key: str) -> Project:
        project = Project(self._id(), key, f"Project {key}", self._somebody())
        self.projects[project.id] = project
        self._make_boards(project)
        return project

    def delete_project(self, project_id: int) -> None:
        """Into the recycle bin, with all its issues."""
        self.deleted_projects[project_id] = self.projects.pop(project_id)
        for issue in [i for i in self.issues.values() if i.project_id == project_id]:
            self.delete_issue(issue.id)
        for board in [b for b in self.boards.values() if b.project_id == project_id]:
            del self.boards[board.id]
            for sprint in [s for s in self.sprints.values() if s.board_id == board.id]:
                del self.sprints[sprint.id]

    def forbid(self, project_id: int) -> None:
        """The account may browse this project no more; nothing in it changes."""
        self.forbidden.add(project_id)

    def allow(self, project_id: int) -> None:
        self.forbidden.discard(project_id)

    def change_something(self) -> None:
        """One change of any kind, as people make them."""
        kinds: list[tuple[int, Callable[[], object]]] = [
            (40, lambda: self.edit_issue(self._some_issue())),
            (12, self.create_issue),
            (5, lambda: self.delete_issue(self._some_issue())),
            (6, lambda: self.move_issue(self._some_issue())),
            (15, lambda: self.add_comment(self._some_issue())),
            (10, lambda: self.add_worklog(self._some_issue())),
            (4, lambda: self._change_child("comments", self.edit_comment)),
            (3, lambda: self._change_child("comments", self.delete_comment)),
            (3, lambda: self._change_child("worklogs", self.edit_worklog)),
            (2, lambda: self._change_child("worklogs", self.delete_worklog)),
        ]
        chosen = self.random.choices([do for _, do in kinds], [weight for weight, _ in kinds])[0]
        chosen()

    # -- within

    def may_browse(self, project_id: int) -> bool:
        return project_id in self.projects and project_id not in self.forbidden

    def _some_issue(self) -> int:
        if len(self.issues) < 5:
            self.create_issue()
        return self.random.choice(sorted(self.issues))

    def _change_child(self, kind: str, change: Callable[[int, int], None]) -> None:
        there = [issue for issue in self.issues.values() if getattr(issue, kind)]
        if there:
            issue = self.random.choice(there)
            change(issue.id, self.random.choice(getattr(issue, kind)).id)

    def _touch(self, issue_id: int, **fields: object) -> Issue:
        # `updated` never goes back, whatever the clock does.
        updated = max(self.now_ms, self.issues[issue_id].updated)
        return self._put(replace(self.issues[issue_id], **{"updated": updated, **fields}))  # type: ignore[arg-type]  # names are the caller's

    def _put(self, issue: Issue) -> Issue:
        self.issues[issue.id] = issue
        self._note(issue.id, issue)
        return issue

    def _note(self, issue_id: int, issue: Issue | None) -> None:
        self._changes += 1
        self.versions.setdefault(issue_id, []).append((self.now_ms, issue))
        visible_at = self.now_ms + self.random.randrange(self.lag_ms + 1)
        heapq.heappush(self._pending, (visible_at, self._changes, issue_id, issue))

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _somebody(self) -> str:
        return self.random.choice(sorted(self.users))

    def _make(self, projects: int, issues: int, users: int) -> None:
        for number in range(users):
            name = _NAMES[number % len(_NAMES)]
            account = f"5b10a2844c20165700ede{number:03}"
            email = None if number % 3 == 2 else f"user{number}@example.com"
            self.users[account] = User(account, f"user{number}", name, email, number % 5 != 4)
        for number in range(projects):
            self.create_project(
                ("OPS", "WEB", "DATA", "APP", "CORE")[number % 5] + ("" if number < 5 else str(number))
            )
        begin_ms = self.now_ms
        self.now_ms = begin_ms - 60 * DAY_MS
        for number in range(issues):
            self.pass_time(60 * DAY_MS // (issues + 1))
            made = self.create_issue()
            for _ in range(self.random.randrange(3)):
                self.pass_time(self.random.randrange(5_000))
                self.edit_issue(made.id)
            if number % 7 == 3:
                self.add_comment(made.id)
            if number % 9 == 4:
                self.add_worklog(made.id)
        if issues >= 10:
            self._make_long_ones(sorted(self.issues))
        self.now_ms = max(self.now_ms, begin_ms)

    def _make_long_ones(self, ids: list[int]) -> None:
        """Issues with more children than one answer holds."""
        for _ in range(95):
            self.pass_time(1_000)
            self.edit_issue(ids[1])
        for _ in range(45):
            self.pass_time(1_000)
            self.add_comment(ids[2])
            self.add_worklog(ids[3])

    def _make_boards(self, project: Project) -> None:
        scrum = Board(self._id(), f"{project.key} board", "scrum", project.id)
        kanban = Board(self._id(), f"{project.key} flow", "kanban", project.id)
        self.boards |= {scrum.id: scrum, kanban.id: kanban}
        for number, state in enumerate(("closed", "active", "future"), 1):
            begin = None if state == "future" else self.now_ms + (number - 2) * 14 * DAY_MS
            end = None if begin is None else begin + 14 * DAY_MS
            sprint = Sprint(
                self._id(),
                scrum.id,
                f"{project.key} sprint {number}",
                state,
                begin,
                end,
                end if state == "closed" else None,
            )
            self.sprints[sprint.id] = sprint


def _told(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.name if isinstance(value, Named) else str(value)
