"""Runs as people see them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from etl_core.errors import NotFound
from etl_core.models.run import (
    BatchRow,
    Hand,
    RunDetails,
    RunListRow,
    RunRow,
    RunState,
    StageProgress,
    StageSpan,
)
from etl_core.rules.no_rows import why_no_rows
from etl_core.store.database import Connection
from etl_core.store.queries import load

_progress = load("progress")
_runs = load("runs")

TRIGGERS = ("schedule", "retry", "manual", "backfill")
STAGES = ("queued", "extract", "transform", "load")
"""Of a timeline, in their order."""


async def show_run(conn: Connection, run_id: int) -> RunRow:
    """One run; while it is open its counts are those so far.

    Raises:
        NotFound: no such run.
    """
    row = await _runs.run_by_id(conn, run_id=run_id)
    if row is None:
        raise _gone(run_id)
    return RunRow.model_validate(dict(row))


async def find_run(conn: Connection, run_id: int) -> RunListRow:
    """One run with its job's name, its options, and where the checkpoint went.

    Raises:
        NotFound: no such run.
    """
    row = await _runs.run_in_history(conn, run_id=run_id)
    if row is None:
        raise _gone(run_id)
    return RunListRow.model_validate(dict(row))


async def describe_run(conn: Connection, run_id: int) -> RunDetails:
    """One run with the progress of its stages, who holds what of it, and why it brought nothing, if so.

    Raises:
        NotFound: no such run.
    """
    run = await find_run(conn, run_id)
    progress = [
        StageProgress.model_validate(dict(row)) async for row in _progress.list_progress(conn, run_id=run_id)
    ]
    hands = [Hand.model_validate(dict(row)) async for row in _runs.list_hands(conn, run_id=run_id)]
    waiting = await _runs.count_waiting_batches(conn, run_id=run_id)
    return RunDetails(
        **run.model_dump(exclude={"seconds"}),
        progress=progress,
        hands=hands,
        batches_waiting=waiting,
        explanation=why_no_rows(run),
    )


async def list_runs(
    conn: Connection,
    job_id: int | None,
    *,
    tenant: str | None = None,
    states: Collection[RunState] | None = None,
    triggers: Collection[str] | None = None,
    since: datetime | None = None,
    limit: int = 20,
) -> list[RunListRow]:
    """The newest runs of a job, or (None) of all jobs or a tenant's, newest first.

    Args:
        states, triggers: only these. since: queued at or after it (aware).
    """
    chosen = {
        "states": None if states is None else [*states],
        "triggers": None if triggers is None else [*triggers],
        "since": since,
        "at_most": limit,
    }
    rows = (
        _runs.list_all_runs(conn, tenant=tenant, **chosen)
        if job_id is None
        else _runs.list_runs(conn, job_id=job_id, **chosen)
    )
    return [RunListRow.model_validate(dict(row)) async for row in rows]


async def open_run(conn: Connection, job_id: int) -> RunRow | None:
    """The open run of a job, if it has one."""
    row = await _runs.open_run_of(conn, job_id=job_id)
    return RunRow.model_validate(dict(row)) if row else None


async def list_batches(
    conn: Connection, run_id: int, *, unloaded_only: bool = False, limit: int = 200
) -> list[BatchRow]:
    """The newest batches of a run, the newest first; `unloaded_only`: those that wait or are in hand."""
    return [
        BatchRow.model_validate(dict(row))
        async for row in _runs.list_batches(conn, run_id=run_id, unloaded_only=unloaded_only, at_most=limit)
    ]


async def read_timeline(conn: Connection, run_id: int) -> list[StageSpan]:
    """When each stage of a run was at work, in the order of the stages, each followed by its streams.

    Raises:
        NotFound: no such run.
    """
    spans = [StageSpan.model_validate(dict(row)) async for row in _runs.list_spans(conn, run_id=run_id)]
    if not spans:
        raise _gone(run_id)

    def place(span: StageSpan) -> tuple[int, bool, str]:
        return STAGES.index(span.stage), span.stream is not None, span.stream or ""

    return sorted(spans, key=place)


def _gone(run_id: int) -> NotFound:
    return NotFound(f"no run {run_id}; `etl-tui runs list JOB` shows those of a job")
