"""`etl-tui jobs settings|enable|disable|add`: what changes a job for good."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import Conflict, ExitCode, InvalidInput
from etl_tui.cli.quantities import count, minutes

if TYPE_CHECKING:
    from etl_core.control.audit import Actor
    from etl_core.models.job import JobDetails, JobSettingsResponse
    from etl_core.store.database import Connection
    from etl_tui.cli.context import Context

_DEFAULT_RETRY_MINUTES = 15
_ATTEMPTS = 5
"""A job's row moves whenever a run begins or ends: it is read again so often before that is a conflict."""


async def change_settings(arguments: argparse.Namespace, context: Context) -> int:
    """Changes what is given in one transaction; `--json`: a JobSettingsResponse."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import assign_integration, find_job, show_job

    schedule = minutes("--schedule", arguments.schedule)
    retry = minutes("--retry", arguments.retry)
    integration: str | None = arguments.integration
    deadline, max_failures = arguments.deadline, arguments.max_failures
    if all(given is None for given in (schedule, retry, integration, deadline, max_failures)):
        raise InvalidInput(
            "jobs settings: nothing to change; give --schedule, --retry, --integration, --deadline "
            "or --max-failures"
        )
    actor = Actor.current()
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        async with conn.transaction():  # all or nothing
            told = await _change_limits(conn, job_id, deadline, max_failures, actor)
            if integration is not None:
                job = await assign_integration(conn, job_id, integration, actor)
                told.append(f"{job.tenant}/{job.job_name} reads from {job.integration}")
            if schedule is not None or retry is not None:
                response = await _change_intervals(conn, job_id, schedule, retry, actor)
                told.append(response.message)
            else:
                response = _unchanged_intervals(await show_job(conn, job_id))
    response = response.model_copy(update={"message": "; ".join(told)})
    if context.output.json:
        context.output.emit(response)
    else:
        context.output.line(response.message)
    return ExitCode.DONE


async def _change_limits(
    conn: Connection, job_id: int, deadline: str | None, max_failures: str | None, actor: Actor
) -> list[str]:
    """Sets what is given, and says it."""
    from etl_core.control.job_limits import set_deadline, set_max_failures
    from etl_core.rules.intervals import humanise_minutes

    told = []
    if deadline is not None:
        longest = None if deadline.strip().lower() == "none" else minutes("--deadline", deadline)
        await set_deadline(conn, job_id, longest, actor)
        told.append(f"a run ends after {humanise_minutes(longest)}" if longest else "no deadline")
    if max_failures is not None:
        most = count("--max-failures", max_failures)
        await set_max_failures(conn, job_id, most, actor)
        told.append(f"off after {most:,} failure{'' if most == 1 else 's'} in a row")
    return told


async def _change_intervals(
    conn: Connection, job_id: int, schedule: int | None, retry: int | None, actor: Actor
) -> JobSettingsResponse:
    """Sets what is given and keeps the other as it is at that moment."""
    from etl_core.control import jobs

    for attempt in range(_ATTEMPTS):
        job = await jobs.show_job(conn, job_id)
        request = jobs.settings_request(
            job.schedule_interval_minutes if schedule is None else schedule,
            job.retry_interval_minutes if retry is None else retry,
        )
        # Only what is kept must not have moved; what a person gave counts whatever it was.
        kept = None if schedule is not None and retry is not None else job.row_version
        try:
            return await jobs.change_settings(conn, job_id, request, actor, expected_version=kept)
        except Conflict:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


async def enable(arguments: argparse.Namespace, context: Context) -> int:
    """Switches a job on; `--json`: its JobRow."""
    return await _switch(arguments.job, context, active=True)


async def disable(arguments: argparse.Namespace, context: Context) -> int:
    """Switches a job off; `--json`: its JobRow."""
    return await _switch(arguments.job, context, active=False, reason=arguments.reason)


async def _switch(reference: str, context: Context, *, active: bool, reason: str | None = None) -> int:
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import find_job, set_active

    async with context.connection() as conn:
        job_id = await find_job(conn, reference, tenant=context.settings.tenant)
        job = await set_active(conn, job_id, active, Actor.current(), reason=reason)
    if context.output.json:
        context.output.emit(job)
        return ExitCode.DONE
    name = f"{job.tenant}/{job.job_name}"
    context.output.line(f"{name} is {'on' if active else 'off'}")
    if active and job.integration is None:
        context.output.notice(
            f"it has no integration yet and will not run: `etl-tui jobs settings {name} --integration NAME`"
        )
    if not active and job.status == "RUNNING":
        context.output.notice(f"its run {job.run_id} has started and goes on to its end")
    return ExitCode.DONE


async def add(arguments: argparse.Namespace, context: Context) -> int:
    """Adds a job; `--json`: its JobRow."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import add_job
    from etl_core.rules.intervals import humanise_minutes

    tenant, slash, name = arguments.job.partition("/")
    if not (slash and tenant and name):
        raise InvalidInput(f"{arguments.job!r}: name the new job as TENANT/JOB, like acme/payments")
    schedule = minutes("--schedule", arguments.schedule)
    retry = minutes("--retry", arguments.retry)
    if schedule is None:
        raise InvalidInput("--schedule is needed")
    if retry is None:  # a schedule of 10 minutes must not fail on a default that nobody gave
        retry = max(1, min(_DEFAULT_RETRY_MINUTES, schedule // 2))
    async with context.connection() as conn:
        job = await add_job(
            conn,
            tenant=tenant,
            job_name=name,
            integration=arguments.integration,
            schedule_minutes=schedule,
            retry_minutes=retry,
            actor=Actor.current(),
        )
    if context.output.json:
        context.output.emit(job)
    else:
        context.output.line(
            f"job {job.tenant}/{job.job_name} ({job.id}) added: every {humanise_minutes(schedule)}, "
            f"retry after {humanise_minutes(retry)}, from {job.integration}"
        )
    return ExitCode.DONE


def _unchanged_intervals(job: JobDetails) -> JobSettingsResponse:
    from etl_core.models.job import JobSettingsResponse

    return JobSettingsResponse(
        success=True,
        message="",
        job_id=job.id,
        schedule_interval_minutes=job.schedule_interval_minutes,
        retry_interval_minutes=job.retry_interval_minutes,
    )
