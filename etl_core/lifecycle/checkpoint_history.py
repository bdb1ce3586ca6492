"""Keeps the history of checkpoints at a size: what is built from a version that goes is made whole first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog

from etl_core.rules.checkpoints.exact_json import BadJson, dump, parse_stored
from etl_core.rules.checkpoints.history import Gap, HistoryRow, as_changes, rebuild, retention
from etl_core.store.database import Connection
from etl_core.store.queries import load

_checkpoints = load("checkpoints")

log = structlog.get_logger()


async def prune_histories(conn: Connection, *, keep_versions: int, keep_days: float) -> int:
    """How many versions went, of all jobs.

    Never the newest of a job, nor the last good one, nor the one that its newest run began from.
    """
    total = 0
    jobs = [
        row["job_id"]
        async for row in _checkpoints.list_long_histories(
            conn, keep_versions=keep_versions, keep_days=keep_days
        )
    ]
    for job_id in jobs:
        try:
            total += await _prune(conn, job_id, keep_versions, keep_days)
        except (BadJson, Gap) as error:  # it stays as it is, and the others are not held up by it
            log.warning("history of a checkpoint cannot be pruned", job=job_id, error=str(error))
    return total


async def _prune(conn: Connection, job_id: int, keep_versions: int, keep_days: float) -> int:
    async with conn.transaction():
        marks = await _checkpoints.read_history_marks(conn, job_id=job_id, keep_days=keep_days)
        plan = retention(
            zip(marks["versions"], marks["times"], strict=True),
            keep=keep_versions,
            older_than=marks["older_than"],
            protected=set(marks["protected"]),
        )
        for version in plan.fold:
            if version in marks["whole"]:
                continue
            rows = [row async for row in _checkpoints.chain_to(conn, job_id=job_id, version=version)]
            # Away from the event loop: of a large document it takes a tenth of a second or two.
            whole = await asyncio.to_thread(_fold, rows)
            await _checkpoints.make_whole(conn, job_id=job_id, version=version, whole=whole)
        await _checkpoints.drop_versions(conn, job_id=job_id, versions=list(plan.drop))
    return len(plan.drop)


def _fold(rows: Sequence[asyncpg.Record]) -> str:
    history = [
        HistoryRow(row["version"], parse_stored(row["changes"]), parse_stored(row["whole"])) for row in rows
    ]
    return dump(as_changes(rebuild(history)))
