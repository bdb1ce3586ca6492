"""What a run told, line by line."""

from __future__ import annotations

from collections.abc import Collection

from etl_core.models.run import LogLine
from etl_core.run_log import LEVELS, Level
from etl_core.store.database import Connection
from etl_core.store.queries import load

_run_logs = load("run_logs")


async def read_log(
    conn: Connection,
    run_id: int,
    *,
    after: int = 0,
    level: Level | None = None,
    text: str | None = None,
    limit: int = 10_000,
) -> list[LogLine]:
    """The lines of a run's log behind line `after`, in their order: of this level or a graver one.

    `text` is looked for in message and fields, in any case.
    """
    return [
        LogLine.model_validate(dict(row))
        async for row in _run_logs.list_lines(
            conn, run_id=run_id, after=after, levels=_from(level), text=text, at_most=limit
        )
    ]


async def read_log_end(
    conn: Connection, run_id: int, *, level: Level | None = None, text: str | None = None, limit: int = 100
) -> list[LogLine]:
    """The last of the lines that `read_log` would give, in their order."""
    return [
        LogLine.model_validate(dict(row))
        async for row in _run_logs.list_last_lines(
            conn, run_id=run_id, levels=_from(level), text=text, at_most=limit
        )
    ]


def _from(level: Level | None) -> Collection[str] | None:
    return None if level in (None, LEVELS[0]) else LEVELS[LEVELS.index(level) :]
