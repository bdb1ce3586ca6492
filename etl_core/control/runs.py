"""Runs as people see them."""

from __future__ import annotations

from etl_core.errors import NotFound
from etl_core.models.run import LogLine, RunDetails, RunRow, StageProgress
from etl_core.store.database import Connection
from etl_core.store.queries import load

_progress = load("progress")
_run_logs = load("run_logs")
_runs = load("runs")


async def show_run(conn: Connection, run_id: int) -> RunRow:
    """One run; while it is open its counts are those so far.

    Raises:
        NotFound: no such run.
    """
    row = await _runs.run_by_id(conn, run_id=run_id)
    if row is None:
        raise NotFound(f"no run {run_id}; `etl-tui runs list JOB` shows those of a job")
    return RunRow.model_validate(dict(row))


async def describe_run(conn: Connection, run_id: int) -> RunDetails:
    """One run with the progress of its stages.

    Raises:
        NotFound: no such run.
    """
    run = await show_run(conn, run_id)
    progress = [
        StageProgress.model_validate(dict(row)) async for row in _progress.list_progress(conn, run_id=run_id)
    ]
    return RunDetails(**run.model_dump(), progress=progress)


async def read_log(conn: Connection, run_id: int, *, after: int = 0, limit: int = 10_000) -> list[LogLine]:
    """The lines of a run's log behind line `after`, in their order."""
    return [
        LogLine.model_validate(dict(row))
        async for row in _run_logs.list_lines(conn, run_id=run_id, after=after, at_most=limit)
    ]


async def list_runs(conn: Connection, job_id: int, *, limit: int = 20) -> list[RunRow]:
    """The newest runs of a job, newest first."""
    return [
        RunRow.model_validate(dict(row)) async for row in _runs.list_runs(conn, job_id=job_id, at_most=limit)
    ]


async def open_run(conn: Connection, job_id: int) -> RunRow | None:
    """The open run of a job, if it has one."""
    row = await _runs.open_run_of(conn, job_id=job_id)
    return RunRow.model_validate(dict(row)) if row else None
