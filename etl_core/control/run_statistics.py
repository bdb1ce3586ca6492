"""A job's runs over time, and two runs beside each other."""

from __future__ import annotations

from etl_core.control.events import list_events
from etl_core.control.runs import find_run, list_runs
from etl_core.models.run_comparison import RunComparison, RunPoint, RunStatistics
from etl_core.rules.run_differences import run_differences
from etl_core.rules.usual import usual_band
from etl_core.store.database import Connection
from etl_core.store.queries import load

_runs = load("runs")

BAND_RUNS = 30
"""So many of the last runs that went through say what is usual."""
MOST_EVENTS = 200


async def read_statistics(conn: Connection, job_id: int, *, limit: int = 40) -> RunStatistics:
    """The last runs of a job, oldest first, and the usual band of its durations and records."""
    runs = await list_runs(conn, job_id, limit=limit)
    usual = [
        row async for row in _runs.list_usual_runs(conn, job_id=job_id, before_id=None, at_most=BAND_RUNS)
    ]
    return RunStatistics(
        job_id=job_id,
        runs=[
            RunPoint(
                id=run.id,
                state=run.state,
                trigger=run.trigger,
                queued_at=run.queued_at,
                seconds=run.seconds,
                rows_extracted=run.rows_extracted,
                rows_changed=run.rows_new + run.rows_changed + run.rows_deleted,
                rows_rejected=run.rows_rejected,
            )
            for run in reversed(runs)
        ],
        usual_seconds=usual_band([row["seconds"] for row in usual if row["seconds"] is not None]),
        usual_rows=usual_band([row["rows_extracted"] for row in usual]),
    )


async def compare_runs(conn: Connection, one: int, other: int) -> RunComparison:
    """Two runs, the older one first, in what they differ, and what was done to the job between them.

    Raises:
        NotFound: there is no such run.
    """
    a, b = [await find_run(conn, run_id) for run_id in sorted((one, other))]
    changed = []
    if a.job_id == b.job_id:
        events = await list_events(conn, job_id=a.job_id, since=a.queued_at, limit=MOST_EVENTS)
        until = [event for event in reversed(events) if event.at <= b.queued_at]
        changed = [event for event in until if event.action not in _OF_RUNS]
    return RunComparison(a=a, b=b, differences=run_differences(a, b), changed_between=changed)


_OF_RUNS = frozenset({"run_now", "backfill", "cancel", "release", "worker_lost"})
"""What tells of runs, and changes nothing for the next."""
