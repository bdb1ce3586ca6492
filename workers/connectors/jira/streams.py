"""The streams as they stand in the destination."""

from __future__ import annotations

from typing import Final

from etl_core.connector import Column, ColumnType, Parent, Stream

_T = ColumnType
_TEXT, _INT, _TIME, _JSON = _T.TEXT, _T.BIGINT, _T.TIMESTAMPTZ, _T.JSONB


def _columns(*names_and_types: tuple[str, ColumnType]) -> tuple[Column, ...]:
    return tuple(Column(name, type_) for name, type_ in names_and_types)


PROJECTS: Final = Stream(
    "projects",
    _columns(
        ("id", _INT), ("key", _TEXT), ("name", _TEXT), ("type", _TEXT), ("style", _TEXT),
        ("is_private", _T.BOOLEAN), ("lead_id", _TEXT), ("raw", _JSON),
    ),
    key=("id",),
    full_refresh=True,
)  # fmt: skip
ISSUE_TYPES: Final = Stream(
    "issue_types",
    _columns(
        ("id", _INT), ("name", _TEXT), ("description", _TEXT), ("is_subtask", _T.BOOLEAN),
        ("hierarchy_level", _INT), ("project_id", _INT),
    ),
    key=("id",),
    full_refresh=True,
)  # fmt: skip
STATUSES: Final = Stream(
    "statuses",
    _columns(("id", _INT), ("name", _TEXT), ("description", _TEXT), ("category", _TEXT)),
    key=("id",),
    full_refresh=True,
)
USERS: Final = Stream(
    "users",
    _columns(("id", _TEXT), ("name", _TEXT), ("email", _TEXT), ("is_active", _T.BOOLEAN), ("type", _TEXT)),
    key=("id",),
    full_refresh=True,
)
BOARDS: Final = Stream(
    "boards",
    _columns(("id", _INT), ("name", _TEXT), ("type", _TEXT), ("project_id", _INT), ("project_key", _TEXT)),
    key=("id",),
    full_refresh=True,
)
SPRINTS: Final = Stream(
    "sprints",
    _columns(
        ("id", _INT), ("board_id", _INT), ("name", _TEXT), ("state", _TEXT), ("goal", _TEXT),
        ("started_at", _TIME), ("ends_at", _TIME), ("completed_at", _TIME),
    ),
    key=("id",),
    full_refresh=True,
)  # fmt: skip
ISSUES: Final = Stream(
    "issues",
    _columns(
        ("id", _INT), ("key", _TEXT), ("project_id", _INT), ("project_key", _TEXT),
        ("summary", _TEXT), ("description", _TEXT),
        ("issue_type_id", _INT), ("issue_type", _TEXT),
        ("status_id", _INT), ("status", _TEXT), ("status_category", _TEXT),
        ("priority", _TEXT), ("resolution", _TEXT),
        ("assignee_id", _TEXT), ("assignee", _TEXT), ("reporter_id", _TEXT), ("reporter", _TEXT),
        ("creator_id", _TEXT),
        ("parent_id", _INT), ("parent_key", _TEXT),
        ("labels", _JSON), ("components", _JSON), ("fix_versions", _JSON),
        ("story_points", _T.NUMERIC), ("sprint_ids", _JSON),
        ("time_spent_seconds", _INT), ("original_estimate_seconds", _INT),
        ("due_date", _T.DATE), ("created_at", _TIME), ("updated_at", _TIME), ("resolved_at", _TIME),
        ("fields", _JSON),
    ),
    key=("id",),
    full_refresh=True,
)  # fmt: skip
CHANGELOGS: Final = Stream(
    "changelogs",
    _columns(
        ("id", _INT), ("issue_id", _INT), ("author_id", _TEXT), ("author", _TEXT), ("created_at", _TIME),
        ("items", _JSON),
    ),
    key=("id",),
    parent=Parent("issues", "issue_id"),
)  # fmt: skip
COMMENTS: Final = Stream(
    "comments",
    _columns(
        ("id", _INT), ("issue_id", _INT), ("author_id", _TEXT), ("author", _TEXT),
        ("update_author_id", _TEXT), ("body", _TEXT), ("is_public", _T.BOOLEAN),
        ("created_at", _TIME), ("updated_at", _TIME), ("raw", _JSON),
    ),
    key=("id",),
    parent=Parent("issues", "issue_id"),
)  # fmt: skip
WORKLOGS: Final = Stream(
    "worklogs",
    _columns(
        ("id", _INT), ("issue_id", _INT), ("author_id", _TEXT), ("author", _TEXT),
        ("update_author_id", _TEXT), ("comment", _TEXT), ("time_spent_seconds", _INT),
        ("started_at", _TIME), ("created_at", _TIME), ("updated_at", _TIME),
    ),
    key=("id",),
    parent=Parent("issues", "issue_id"),
)  # fmt: skip

BY_NAME: Final = {
    stream.name: stream
    for stream in (
        PROJECTS, ISSUE_TYPES, STATUSES, ISSUES, CHANGELOGS, COMMENTS, WORKLOGS, USERS, BOARDS, SPRINTS,
    )
}  # fmt: skip
