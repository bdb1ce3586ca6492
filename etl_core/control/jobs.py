"""What a person can do to a job: an action is one transaction, checks the state it needs, leaves an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
from pydantic import ValidationError

from etl_core.broker.channels import SCHEDULER
from etl_core.control.audit import Actor, record_event
from etl_core.control.runs import open_run, show_run
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.models.job import JobDetails, JobRow, JobSettingsRequest, JobSettingsResponse
from etl_core.models.run import RunRow
from etl_core.rules.intervals import humanise_minutes
from etl_core.rules.names import clean_name
from etl_core.store.database import Connection
from etl_core.store.queries import load
from etl_core.validation_text import describe

_jobs = load("jobs")


async def list_jobs(conn: Connection, *, tenant: str | None = None) -> list[JobRow]:
    """Every job, or one tenant's, sorted by job_name."""
    return [JobRow.model_validate(dict(row)) async for row in _jobs.list_jobs(conn, tenant=tenant)]


async def find_job(conn: Connection, reference: str, *, tenant: str | None = None) -> int:
    """The id of a job named by id, by `tenant/job_name`, or by a bare name that only one job has.

    Raises:
        NotFound: no such job; InvalidInput: a bare name that several tenants have.
    """
    if reference.isascii() and reference.isdigit():
        if int(reference) < 2**31 and await _jobs.job_by_id(conn, job_id=int(reference)):
            return int(reference)
        raise NotFound(f"no job with id {reference}; `etl-tui jobs list` shows all")
    owner, slash, name = reference.partition("/")
    if not slash:
        owner, name = tenant or "", reference
    found = [row async for row in _jobs.find_jobs(conn, tenant=owner or None, job_name=name)]
    if not found:
        raise NotFound(
            f"no job {reference!r}; name it by id or tenant/job_name, `etl-tui jobs list` shows all"
        )
    if len(found) > 1:
        owners = ", ".join(f"{row['tenant']}/{name}" for row in found)
        raise InvalidInput(f"{reference!r} names {len(found)} jobs: {owners}")
    job_id: int = found[0]["id"]
    return job_id


async def show_job(conn: Connection, job_id: int) -> JobDetails:
    """One job with its checkpoint document.

    Raises:
        NotFound: no such job.
    """
    row = await _jobs.job_by_id(conn, job_id=job_id)
    if row is None:
        raise _gone(job_id)
    return JobDetails.model_validate(dict(row))


async def read_job(conn: Connection, job_id: int) -> JobRow:
    """One job as the grid has it.

    Raises:
        NotFound: no such job.
    """
    rows = [row async for row in _jobs.list_jobs_by_id(conn, ids=[job_id])]
    if not rows:
        raise _gone(job_id)
    return JobRow.model_validate(dict(rows[0]))


async def run_now(
    conn: Connection, job_id: int, actor: Actor, *, options: dict[str, Any] | None = None
) -> RunRow:
    """Starts a real run: the job is RUNNING and its run QUEUED when this returns, and a worker takes it.

    An inactive job runs once and stays off; a held one may be tried (success clears the hold).

    Raises:
        NotFound: no such job. Conflict: it is running, or has no integration. InvalidInput: a full refresh of
        a stream that the job does not have.
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        name = f"{job['tenant']}/{job['job_name']}"
        if isinstance(refreshed := (options or {}).get("full_refresh"), list):
            await _check_streams(conn, job_id, name, refreshed)
        if job["integration_id"] is None:
            raise Conflict(
                f"{name} has no integration: `etl-tui jobs settings {name} --integration NAME` gives it one"
            )
        run_id = await _jobs.start_manual_run(
            conn, job_id=job_id, requested_by=actor.name, options=options or {}
        )
        if run_id is None:
            raise Conflict(await why_not_now(conn, job_id, name))
        await record_event(
            conn,
            "run_now",
            actor,
            job_id=job_id,
            run_id=run_id,
            options=options or {},
            before={name: job[name] for name in ("status", "retry_count", "error_message")},
            after={"status": "RUNNING"},
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload=str(run_id))
        return await show_run(conn, run_id)


async def _check_streams(conn: Connection, job_id: int, name: str, asked: Sequence[str]) -> None:
    """What a job reads is known once it has read: before, anything may be asked for."""
    known: list[str] = await _jobs.streams_of(conn, job_id=job_id)
    unknown = [stream for stream in asked if stream not in known]
    if known and unknown:
        raise InvalidInput(f"{name} has read no stream {unknown[0]!r} yet; it has {', '.join(known)}")


async def change_settings(
    conn: Connection,
    job_id: int,
    request: JobSettingsRequest,
    actor: Actor,
    *,
    expected_version: int | None = None,
) -> JobSettingsResponse:
    """Both intervals, atomically; refused when the row moved on from `expected_version` meanwhile.

    Raises:
        NotFound: no such job. Conflict: somebody changed it meanwhile (theirs is told).
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        changed = await _jobs.change_intervals(
            conn,
            job_id=job_id,
            schedule_minutes=request.schedule_interval_minutes,
            retry_minutes=request.retry_interval_minutes,
            expected_version=expected_version,
        )
        if changed is None:
            every = humanise_minutes(job["schedule_interval_minutes"])
            retry = humanise_minutes(job["retry_interval_minutes"])
            raise Conflict(
                f"{job['tenant']}/{job['job_name']} was changed meanwhile: "
                f"now every {every}, retry after {retry}"
            )
        await record_event(
            conn,
            "settings",
            actor,
            job_id=job_id,
            before=[job["schedule_interval_minutes"], job["retry_interval_minutes"]],
            after=[request.schedule_interval_minutes, request.retry_interval_minutes],
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")
    every = humanise_minutes(request.schedule_interval_minutes)
    retry = humanise_minutes(request.retry_interval_minutes)
    return JobSettingsResponse(
        success=True,
        message=f"{job['tenant']}/{job['job_name']} runs every {every}, retry after {retry}",
        job_id=job_id,
        schedule_interval_minutes=request.schedule_interval_minutes,
        retry_interval_minutes=request.retry_interval_minutes,
    )


def settings_request(schedule_minutes: int, retry_minutes: int) -> JobSettingsRequest:
    """The checked request.

    Raises:
        InvalidInput: one sentence that says which interval is wrong and why.
    """
    try:
        return JobSettingsRequest(
            schedule_interval_minutes=schedule_minutes, retry_interval_minutes=retry_minutes
        )
    except ValidationError as error:
        raise InvalidInput(describe(error).removeprefix("value: ")) from None


async def assign_integration(
    conn: Connection, job_id: int, integration_name: str, actor: Actor
) -> JobDetails:
    """Gives a job an integration of its own tenant.

    Raises:
        NotFound: no such job, or its tenant has no integration of that name. Conflict: the job runs.
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        name = f"{job['tenant']}/{job['job_name']}"
        if job["status"] == "RUNNING":
            raise Conflict(f"{name} is running: its integration is not changed now; wait for its end")
        integration_before = (await read_job(conn, job_id)).integration
        integration_id = await _jobs.assign_integration(
            conn, job_id=job_id, integration_name=integration_name
        )
        if integration_id is None:
            raise NotFound(
                f"{job['tenant']} has no integration {integration_name!r}; "
                f"`etl-tui integrations list` shows all, `integrations add` makes one"
            )
        await record_event(
            conn,
            "assign_integration",
            actor,
            job_id=job_id,
            before=integration_before,
            after=integration_name,
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")
        return await show_job(conn, job_id)


async def set_active(
    conn: Connection, job_id: int, active: bool, actor: Actor, *, reason: str | None = None
) -> JobRow:
    """Switches a job on or off. Off lets a started run end and cancels one that never started.

    Raises:
        NotFound: no such job.
    """
    async with conn.transaction():
        job = await lock_job(conn, job_id)
        if job["active"] != active:
            await _jobs.change_active(
                conn, job_id=job_id, active=active, changed_by=actor.name, reason=reason
            )
            action = "enable" if active else "disable"
            await record_event(
                conn,
                action,
                actor,
                job_id=job_id,
                reason=reason,
                before={
                    "active": job["active"],
                    "off_by": job["off_by"],
                    "off_reason": job["off_reason"],
                },
                after={"active": active},
            )
        if not active:
            cancelled = await _jobs.cancel_unstarted_run(conn, job_id=job_id, cancelled_by=actor.name)
            if cancelled is not None:
                await record_event(
                    conn,
                    "cancel",
                    actor,
                    job_id=job_id,
                    run_id=cancelled,
                    reason="switched off",
                    before={"state": "QUEUED"},
                    after={"state": "CANCELLED"},
                )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")
        return await read_job(conn, job_id)


async def add_job(
    conn: Connection,
    *,
    tenant: str,
    job_name: str,
    integration: str,
    schedule_minutes: int,
    retry_minutes: int,
    actor: Actor,
) -> JobRow:
    """A new job of a tenant on one of its integrations; it is on from the start.

    Raises:
        InvalidInput: a name or an interval that cannot be. NotFound: no such tenant or integration.
        Conflict: the tenant has a job of this name.
    """
    request = settings_request(schedule_minutes, retry_minutes)
    try:
        job_name = clean_name(job_name, "job")
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    async with conn.transaction():
        place = await _jobs.find_integration(conn, tenant=tenant, integration_name=integration)
        if place is None:
            raise NotFound(f"no tenant {tenant!r}; `etl-tui tenants add {tenant}` makes it")
        if place["integration_id"] is None:
            raise NotFound(
                f"{tenant} has no integration {integration!r}; `etl-tui integrations add` makes one"
            )
        job_id = await _jobs.add_job(
            conn,
            tenant_id=place["tenant_id"],
            job_name=job_name,
            integration_id=place["integration_id"],
            schedule_minutes=request.schedule_interval_minutes,
            retry_minutes=request.retry_interval_minutes,
        )
        if job_id is None:
            raise Conflict(f"{tenant} already has a job {job_name!r}; `etl-tui jobs settings` changes it")
        await record_event(
            conn,
            "add_job",
            actor,
            job_id=job_id,
            integration=integration,
            after=[request.schedule_interval_minutes, request.retry_interval_minutes],
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")
        return await read_job(conn, job_id)


async def lock_job(conn: Connection, job_id: int) -> asyncpg.Record:
    """The row of a job with its tenant, held until the transaction ends; raises NotFound."""
    job: asyncpg.Record | None = await _jobs.lock_job(conn, job_id=job_id)
    if job is None:
        raise _gone(job_id)
    return job


async def why_not_now(conn: Connection, job_id: int, name: str) -> str:
    """Why a job that is on a person's mind cannot be run; told after a start was refused."""
    run = await open_run(conn, job_id)
    if run is None:
        return f"{name} is not in a state that can be run; try again in a moment"
    since = f"started {run.started_at:%H:%M:%S}" if run.started_at else f"queued {run.queued_at:%H:%M:%S}"
    return f"{name} is already running: run {run.id}, {since} UTC"


def _gone(job_id: int) -> NotFound:
    return NotFound(f"no job with id {job_id}; `etl-tui jobs list` shows all")
