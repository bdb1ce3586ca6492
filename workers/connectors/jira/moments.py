"""Times as Jira writes them, and as JQL understands them without a doubt.

A date in JQL has minutes at best and is read in the time zone of the account's profile: issues would be lost
without a word. Epoch milliseconds have no zone. What an answer says carries its own offset.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

PRECISION_MS = 1_000
"""Of `updated` where it orders and bounds a search: indexes keep seconds (Data Center does)."""


def epoch_ms(value: Any) -> int | None:
    """Of `2024-11-29T15:04:51.000+0100`; None where it is no time."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def whole_second(ms: int) -> int:
    """Rounded down."""
    return ms // PRECISION_MS * PRECISION_MS


def changed_since(after: int, *, before: int | None = None, projects: list[int] | None = None) -> str:
    """The JQL for issues updated in [after, before), in the order in which they were. Times in epoch ms."""
    clauses = [f"updated >= {after}"]
    if before is not None:
        clauses.append(f"updated < {before}")
    if projects is not None:
        clauses.append(f"project in ({', '.join(str(project) for project in sorted(projects))})")
    return f"{' AND '.join(clauses)} ORDER BY updated ASC, key ASC"
