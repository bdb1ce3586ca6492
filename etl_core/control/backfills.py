"""Backfills: a job once over a range of its bookmark, which stays where it is. And what is read all over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from pydantic import ValidationError

from etl_core.backfill import ANY_STREAM, Backfills, RangeKind
from etl_core.broker.channels import SCHEDULER
from etl_core.connector import Connector
from etl_core.connectors_registry import find_connector
from etl_core.control.audit import Actor, record_event
from etl_core.control.jobs import lock_job, why_not_now
from etl_core.control.runs import show_run
from etl_core.errors import Conflict, InvalidInput, SourceError
from etl_core.models.backfill import BackfillRequest
from etl_core.models.run import RunRow
from etl_core.rules.ranges import key_range, number_range, time_range
from etl_core.store.database import Connection
from etl_core.store.queries import load
from etl_core.validation_text import describe

_integrations = load("integrations")
_jobs = load("jobs")
_runs = load("runs")


async def backfill_ranges(conn: Connection, job_id: int) -> Mapping[str, RangeKind]:
    """Stream -> what a backfill's range is in (`time`, `key` or `number`); `*`: others that the source knows.

    Raises:
        NotFound: no such job. Conflict: it cannot be backfilled, and why. InvalidInput: its connector is not
            installed here, or its configuration is wrong.
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        return await _ranges(conn, job)


async def start_backfill(
    conn: Connection, job_id: int, request: BackfillRequest, actor: Actor, *, zone: tzinfo | None = None
) -> RunRow:
    """Starts a run over a range; the job's bookmark, its next time and what it shows of its last run stay.

    Args:
        zone: of wall times without an offset; the system's when None.

    Raises:
        NotFound: no such job. Conflict: it is running, has no integration, or cannot be backfilled.
        InvalidInput: a range that is none, a stream that cannot be backfilled.
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        name = f"{job['tenant']}/{job['job_name']}"
        ranges = await _ranges(conn, job)
        kind = _kind(ranges, request.streams, name)
        try:
            if kind == "time":
                start, end = time_range(request.start, request.end, await _runs.read_clock(conn), zone)
            else:
                start, end = (number_range if kind == "number" else key_range)(request.start, request.end)
        except ValueError as error:
            raise InvalidInput(f"{name}: {error}") from None
        asked = request.model_copy(update={"start": start, "end": end})
        run_id = await _jobs.start_backfill(
            conn, job_id=job_id, requested_by=actor.name, options=asked.as_options()
        )
        if run_id is None:
            raise Conflict(await why_not_now(conn, job_id, name))
        await record_event(
            conn,
            "backfill",
            actor,
            job_id=job_id,
            run_id=run_id,
            **asked.model_dump(),
            before={"status": job["status"]},
            after={"status": "RUNNING"},
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload=str(run_id))
        return await show_run(conn, run_id)


async def _ranges(conn: Connection, job: Any) -> Mapping[str, RangeKind]:
    name = f"{job['tenant']}/{job['job_name']}"
    if job["integration_id"] is None:
        raise Conflict(
            f"{name} has no integration: `etl-tui jobs settings {name} --integration NAME` gives it one"
        )
    row = await _integrations.integration_by_id(conn, integration_id=job["integration_id"])
    connector = _configured(row["type"], row["config"], f"{row['tenant']}/{row['name']}")
    if not isinstance(connector, Backfills):
        raise Conflict(
            f"{name} cannot be backfilled: connector {row['type']} goes by no time and no key that a range "
            "could be taken of; `etl-tui jobs run --full-refresh` reads everything again"
        )
    try:
        ranges = connector.backfill_ranges()
    except SourceError as error:
        raise InvalidInput(str(error)) from None
    if not ranges:
        raise Conflict(
            f"{name} cannot be backfilled: none of its streams has a cursor of time or key; "
            "`etl-tui jobs run --full-refresh` reads everything again"
        )
    return ranges


def _configured(integration_type: str, config: dict[str, Any], named: str) -> Connector:
    """Without its secrets: it is asked nothing that needs them."""
    kind = find_connector(integration_type)
    try:
        return kind(kind.Config.model_validate(config))
    except ValidationError as error:
        raise InvalidInput(f"config of {named}: {describe(error)}") from None
    except SourceError as error:
        raise InvalidInput(f"config of {named}: {error}") from None


def _kind(ranges: Mapping[str, RangeKind], streams: Sequence[str] | None, name: str) -> RangeKind:
    """Raises InvalidInput: a stream that has no ranges, or ranges of two kinds."""
    known = ", ".join(stream for stream in ranges if stream != ANY_STREAM)
    for stream in streams or ():
        if stream not in ranges and ANY_STREAM not in ranges:
            raise InvalidInput(f"{name}: stream {stream!r} cannot be backfilled; {known} can")
    other = ranges.get(ANY_STREAM)
    chosen = ranges if streams is None else {stream: ranges.get(stream, other) for stream in streams}
    kinds = {kind for kind in chosen.values() if kind is not None}
    if len(kinds) > 1:
        told = ", ".join(f"{stream} by {kind}" for stream, kind in chosen.items())
        raise InvalidInput(
            f"{name}: a range is of times, of keys or of numbers; name streams of one kind: {told}"
        )
    return kinds.pop()
