"""Records as Jira's JSON: of the cloud (API 3, documents for texts) or of Data Center (API 2, plain text)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from .jql import local_text
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
from .world import World

EMBEDDED = 20
"""So many comments and worklogs come within an issue; 40 histories."""
EMBEDDED_HISTORIES = 40

POINTS_FIELD = "customfield_10016"
SPRINT_FIELD = "customfield_10020"
TEAM_FIELD = "customfield_10031"


@dataclass(frozen=True, slots=True)
class Rendering:
    """For one account: `zone` is its time zone, `base` the address that `self` links begin with."""

    world: World
    zone: str
    base: str
    is_cloud: bool
    spoilt: Collection[int] = ()
    """Ids of issues that come out wrong."""

    def time(self, ms: int | None) -> str | None:
        return None if ms is None else local_text(ms, self.zone)

    def text(self, text: str | None) -> Any:
        """The cloud has no texts: a document of paragraphs."""
        if text is None or not self.is_cloud:
            return text
        paragraphs = [
            {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in text.split("\n\n")
        ]
        return {"type": "doc", "version": 1, "content": paragraphs}

    def user(self, account_id: str | None) -> dict[str, Any] | None:
        if account_id is None:
            return None
        user = self.world.users[account_id]
        shown: dict[str, Any] = {"displayName": user.display_name, "active": user.is_active}
        if user.email is not None:
            shown["emailAddress"] = user.email
        if self.is_cloud:
            return {"accountId": user.account_id, "accountType": user.kind, **shown}
        return {"name": user.name, "key": f"JIRAUSER{user.account_id[-3:]}", **shown}

    def whole_user(self, user: User) -> dict[str, Any]:
        found = self.user(user.account_id)
        assert found is not None
        return {"self": f"{self.base}/user?accountId={user.account_id}", **found}

    def project(self, project: Project) -> dict[str, Any]:
        return {
            "id": str(project.id),
            "key": project.key,
            "name": project.name,
            "projectTypeKey": project.kind,
            "simplified": False,
            "style": "classic",
            "isPrivate": False,
            "lead": self.user(project.lead),
            "self": f"{self.base}/project/{project.id}",
        }

    def issue_type(self, named: Named) -> dict[str, Any]:
        is_subtask = dict(named.extra)["subtask"]
        level = {"hierarchyLevel": -1 if is_subtask else 0} if self.is_cloud else {}
        return {"id": str(named.id), "name": named.name, "description": "", "subtask": is_subtask, **level}

    def status(self, named: Named) -> dict[str, Any]:
        category = dict(named.extra)["category"]
        ids = {"new": 2, "indeterminate": 4, "done": 3}
        return {
            "id": str(named.id),
            "name": named.name,
            "description": "",
            "statusCategory": {"id": ids[category], "key": category, "name": category.title()},
        }

    def priority(self, named: Named | None) -> dict[str, Any] | None:
        return None if named is None else {"id": str(named.id), "name": named.name}

    def history(self, history: History) -> dict[str, Any]:
        items = [
            {
                "field": "Sprint" if name == "sprint" else name,
                "fieldtype": "jira",
                "fieldId": name,
                "from": before,
                "fromString": before,
                "to": after,
                "toString": after,
            }
            for name, before, after in history.items
        ]
        return {
            "id": str(history.id),
            "author": self.user(history.author),
            "created": self.time(history.created),
            "items": items,
        }

    def comment(self, comment: Comment) -> dict[str, Any]:
        return {
            "id": str(comment.id),
            "author": self.user(comment.author),
            "updateAuthor": self.user(comment.author),
            "body": self.text(comment.body),
            "created": self.time(comment.created),
            "updated": self.time(comment.updated),
            "jsdPublic": True,
        }

    def worklog(self, worklog: Worklog) -> dict[str, Any]:
        return {
            "id": str(worklog.id),
            "issueId": str(worklog.issue_id),
            "author": self.user(worklog.author),
            "updateAuthor": self.user(worklog.author),
            "comment": self.text(worklog.comment),
            "started": self.time(worklog.started),
            "timeSpentSeconds": worklog.seconds,
            "timeSpent": f"{worklog.seconds // 60}m",
            "created": self.time(worklog.created),
            "updated": self.time(worklog.updated),
        }

    def issue(
        self, issue: Issue, fields: Collection[str], *, changelog: bool = False, histories: int | None = None
    ) -> dict[str, Any]:
        """`fields` as the caller asked: names, `*all`, `*navigable`, `-name`. Without any: id alone."""
        shown: dict[str, Any] = {"id": str(issue.id)}
        wanted = {name for name in fields if not name.startswith("-")}
        if wanted:
            shown |= {"key": issue.key, "self": f"{self.base}/issue/{issue.id}"}
            values = self._fields(issue)
            if not wanted & {"*all", "*navigable"}:
                values = {name: value for name, value in values.items() if name in wanted}
            elif "*all" not in wanted:
                values = {n: v for n, v in values.items() if n not in ("comment", "worklog")}
            if issue.id in self.spoilt:
                values = {**values, "created": "the other day", "updated": "no time at all"}
            shown["fields"] = {name: v for name, v in values.items() if f"-{name}" not in fields}
        if changelog:
            entries = sorted(issue.histories, key=lambda h: -h.id)[:histories]
            shown["changelog"] = {
                "startAt": 0,
                "maxResults": len(entries),
                "total": len(issue.histories) if histories is None else len(entries),
                "histories": [self.history(entry) for entry in entries],
            }
        return shown

    def _fields(self, issue: Issue) -> dict[str, Any]:
        world = self.world
        project = world.projects.get(issue.project_id) or world.deleted_projects[issue.project_id]
        sprint = world.sprints.get(issue.sprint) if issue.sprint else None
        parent = world.issues.get(issue.parent_id) if issue.parent_id else None
        done = issue.resolved is not None
        values: dict[str, Any] = {
            "summary": issue.summary,
            "description": self.text(issue.description),
            "issuetype": self.issue_type(issue.type),
            "status": self.status(issue.status),
            "priority": self.priority(issue.priority),
            "project": self.project(project),
            "reporter": self.user(issue.reporter),
            "creator": self.user(issue.reporter),
            "assignee": self.user(issue.assignee),
            "created": self.time(issue.created),
            "updated": self.time(issue.updated),
            "resolution": {"id": "10000", "name": "Done"} if done else None,
            "resolutiondate": self.time(issue.resolved),
            "duedate": issue.due,
            "labels": list(issue.labels),
            "components": [],
            "fixVersions": [],
            "timeoriginalestimate": None,
            "timespent": sum(w.seconds for w in issue.worklogs) or None,
            POINTS_FIELD: issue.points,
            SPRINT_FIELD: [self.sprint(sprint)] if sprint else None,
            TEAM_FIELD: {"id": "20001", "value": "Platform"},
            "comment": self._children("comments", issue.comments, self.comment),
            "worklog": self._children("worklogs", issue.worklogs, self.worklog),
        }
        if parent is not None:
            values["parent"] = {"id": str(parent.id), "key": parent.key}
        return values

    def _children(self, name: str, children: Sequence[Any], render: Any) -> dict[str, Any]:
        shown = children[:EMBEDDED]
        return {
            name: [render(child) for child in shown],
            "startAt": 0,
            "maxResults": EMBEDDED,
            "total": len(children),
        }

    def board(self, board: Board) -> dict[str, Any]:
        project = self.world.projects[board.project_id]
        place = {"projectId": project.id, "projectKey": project.key, "projectName": project.name}
        return {"id": board.id, "name": board.name, "type": board.kind, "location": place}

    def sprint(self, sprint: Sprint) -> dict[str, Any]:
        times = {"startDate": sprint.start, "endDate": sprint.end, "completeDate": sprint.completed}
        return {
            "id": sprint.id,
            "state": sprint.state,
            "name": sprint.name,
            "originBoardId": sprint.board_id,
            **({} if sprint.goal is None else {"goal": sprint.goal}),
            **{name: self.time(ms) for name, ms in times.items() if ms is not None},
        }

    def fields(self) -> list[dict[str, Any]]:
        """What `/field` answers."""
        agile = "com.pyxis.greenhopper.jira:gh-sprint"
        points = "com.pyxis.greenhopper.jira:jsw-story-points"
        select = "com.atlassian.jira.plugin.system.customfieldtypes:select"
        return [
            {"id": "summary", "name": "Summary", "custom": False, "schema": {"type": "string"}},
            {"id": "updated", "name": "Updated", "custom": False, "schema": {"type": "datetime"}},
            _custom(POINTS_FIELD, "Story point estimate", "number", points),
            _custom(SPRINT_FIELD, "Sprint", "array", agile),
            _custom(TEAM_FIELD, "Team", "option", select),
        ]


def _custom(field_id: str, name: str, kind: str, custom: str) -> dict[str, Any]:
    number = int(field_id.removeprefix("customfield_"))
    schema = {"type": kind, "custom": custom, "customId": number}
    return {"id": field_id, "key": field_id, "name": name, "custom": True, "schema": schema}
