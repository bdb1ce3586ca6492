"""From Jira's JSON to rows: pure, and the same for the cloud and Data Center.

People are known by `accountId` in the cloud and by `key` in Data Center. A field that Jira leaves out (an
email that privacy hides) is left out of the row, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from etl_core.connector import Record
from etl_core.errors import BadRecord
from workers.connectors.jira.documents import document_text

ONLY_ID = frozenset({"id"})
"""The fields of a record that only says that its issue is there."""
_STREAMS_OF_THEIR_OWN = ("comment", "worklog")


def project_row(record: Record) -> Record:
    return {
        "id": record.get("id"),
        "key": record.get("key"),
        "name": record.get("name"),
        "type": record.get("projectTypeKey"),
        "style": record.get("style"),
        "is_private": record.get("isPrivate"),
        "lead_id": user_id(record.get("lead")),
        "raw": record,
    }


def issue_type_row(record: Record) -> Record:
    scope = _object(record.get("scope"))
    return {
        "id": record.get("id"),
        "name": record.get("name"),
        "description": record.get("description"),
        "is_subtask": record.get("subtask"),
        "hierarchy_level": record.get("hierarchyLevel"),
        "project_id": _object(scope.get("project")).get("id"),
    }


def status_row(record: Record) -> Record:
    return {
        "id": record.get("id"),
        "name": record.get("name"),
        "description": record.get("description"),
        "category": _object(record.get("statusCategory")).get("key"),
    }


def user_row(record: Record) -> Record:
    row = {
        "id": user_id(record),
        "name": record.get("displayName"),
        "is_active": record.get("active"),
        "type": record.get("accountType"),
    }
    if "emailAddress" in record:
        row["email"] = record["emailAddress"]
    return row


def board_row(record: Record) -> Record:
    place = _object(record.get("location"))
    return {
        "id": record.get("id"),
        "name": record.get("name"),
        "type": record.get("type"),
        "project_id": place.get("projectId"),
        "project_key": place.get("projectKey"),
    }


def sprint_row(record: Record) -> Record:
    return {
        "id": record.get("id"),
        "board_id": record.get("originBoardId"),
        "name": record.get("name"),
        "state": record.get("state"),
        "goal": record.get("goal"),
        "started_at": record.get("startDate"),
        "ends_at": record.get("endDate"),
        "completed_at": record.get("completeDate"),
    }


def issue_row(record: Record) -> Record:
    """`story_points` and `sprints` of the record are what extract found in the site's own fields."""
    if record.keys() <= ONLY_ID:
        return record
    fields = record.get("fields")
    if not isinstance(fields, Mapping):
        raise BadRecord("an issue without fields")
    status, project = _object(fields.get("status")), _object(fields.get("project"))
    kind, parent = _object(fields.get("issuetype")), _object(fields.get("parent"))
    return {
        "id": record.get("id"),
        "key": record.get("key"),
        "project_id": project.get("id"),
        "project_key": project.get("key"),
        "summary": fields.get("summary"),
        "description": document_text(fields.get("description")),
        "issue_type_id": kind.get("id"),
        "issue_type": kind.get("name"),
        "status_id": status.get("id"),
        "status": status.get("name"),
        "status_category": _object(status.get("statusCategory")).get("key"),
        "priority": _object(fields.get("priority")).get("name"),
        "resolution": _object(fields.get("resolution")).get("name"),
        "assignee_id": user_id(fields.get("assignee")),
        "assignee": _object(fields.get("assignee")).get("displayName"),
        "reporter_id": user_id(fields.get("reporter")),
        "reporter": _object(fields.get("reporter")).get("displayName"),
        "creator_id": user_id(fields.get("creator")),
        "parent_id": parent.get("id"),
        "parent_key": parent.get("key"),
        "labels": fields.get("labels"),
        "components": _names(fields.get("components")),
        "fix_versions": _names(fields.get("fixVersions")),
        "story_points": record.get("story_points"),
        "sprint_ids": record.get("sprints"),
        "time_spent_seconds": fields.get("timespent"),
        "original_estimate_seconds": fields.get("timeoriginalestimate"),
        "due_date": fields.get("duedate"),
        "created_at": fields.get("created"),
        "updated_at": fields.get("updated"),
        "resolved_at": fields.get("resolutiondate"),
        "fields": {
            name: value
            for name, value in fields.items()
            if value is not None and name not in _STREAMS_OF_THEIR_OWN
        },
    }


def changelog_row(record: Record) -> Record:
    return {
        "id": record.get("id"),
        "issue_id": record.get("issue_id"),
        "author_id": user_id(record.get("author")),
        "author": _object(record.get("author")).get("displayName"),
        "created_at": _moment(record.get("created")),
        "items": record.get("items"),
    }


def comment_row(record: Record) -> Record:
    return {
        "id": record.get("id"),
        "issue_id": record.get("issue_id"),
        "author_id": user_id(record.get("author")),
        "author": _object(record.get("author")).get("displayName"),
        "update_author_id": user_id(record.get("updateAuthor")),
        "body": document_text(record.get("body")),
        "is_public": record.get("jsdPublic"),
        "created_at": record.get("created"),
        "updated_at": record.get("updated"),
        "raw": record.get("body") if not isinstance(record.get("body"), str) else None,
    }


def worklog_row(record: Record) -> Record:
    return {
        "id": record.get("id"),
        "issue_id": record.get("issue_id"),
        "author_id": user_id(record.get("author")),
        "author": _object(record.get("author")).get("displayName"),
        "update_author_id": user_id(record.get("updateAuthor")),
        "comment": document_text(record.get("comment")),
        "time_spent_seconds": record.get("timeSpentSeconds"),
        "started_at": record.get("started"),
        "created_at": record.get("created"),
        "updated_at": record.get("updated"),
    }


ROWS: Mapping[str, Callable[[Record], Record]] = {
    "projects": project_row,
    "issue_types": issue_type_row,
    "statuses": status_row,
    "issues": issue_row,
    "changelogs": changelog_row,
    "comments": comment_row,
    "worklogs": worklog_row,
    "users": user_row,
    "boards": board_row,
    "sprints": sprint_row,
}


def user_id(user: Any) -> str | None:
    """What identifies a person: `accountId`, or the `key` of Data Center."""
    if not isinstance(user, Mapping):
        return None
    found = user.get("accountId") or user.get("key") or user.get("name")
    return str(found) if found is not None else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(values: Any) -> list[Any] | None:
    if not isinstance(values, list):
        return None
    return [value.get("name") if isinstance(value, Mapping) else value for value in values]


def _moment(value: Any) -> Any:
    """Of bulk changelogs some sites write epoch milliseconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1_000, UTC).isoformat()
        except (ValueError, OverflowError, OSError):
            return value
    return value
