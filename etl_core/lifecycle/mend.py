"""Mends what should never be: a job and its runs that contradict each other."""

from __future__ import annotations

import asyncpg
import structlog

from etl_core.control.audit import Actor, record_event
from etl_core.lifecycle.settle import settle_run
from etl_core.store.database import Connection
from etl_core.store.queries import load

_settle = load("settle")

log = structlog.get_logger()


async def mend_contradictions(conn: Connection) -> list[int]:
    """Jobs RUNNING without an open run, open runs whose job is not RUNNING; the ids of the jobs mended."""
    async with conn.transaction():
        ended = [row async for row in _settle.mend_running_without_run(conn)]
        alone = [row["id"] for row in ended]
        hidden = [row["id"] async for row in _settle.mend_open_run_without_running(conn)]
        for job_id in alone + hidden:
            found = "RUNNING without a run" if job_id in alone else "an open run without RUNNING"
            log.warning("contradiction mended", job=job_id, found=found)
            await record_event(conn, "mend", Actor("sweep"), job_id=job_id, found=found)
        for row in ended:
            if row["switched_off"]:
                await record_event(
                    conn, "switched_off", Actor("etl-tui"), job_id=row["id"], reason=row["off_reason"]
                )
    return alone + hidden


async def settle_forgotten(conn: Connection) -> list[int]:
    """Runs whose last holder went away between its last load and settling; the ids settled."""
    settled = []
    for run_id in [row["id"] async for row in _settle.list_unsettled_runs(conn)]:
        try:
            if await settle_run(conn, run_id, actor="sweep"):
                settled.append(run_id)
        except (
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ):
            raise
        except (
            Exception
        ):  # this run needs a person; the others, and the rest of the sweep, do not wait for it
            log.exception("run cannot be settled", run=run_id)
    return settled
