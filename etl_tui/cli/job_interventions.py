"""`etl-tui jobs cancel|release|hold|clear|snooze`: what a person does to a job beside its schedule."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command
from etl_tui.cli.quantities import minutes, moment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from etl_core.control.audit import Actor
    from etl_core.models.job import JobRow
    from etl_core.models.run import RunRow
    from etl_core.store.database import Connection
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

_JOB = "its id, or TENANT/JOB_NAME"


def register(group: Subparsers) -> None:
    """Adds `jobs cancel|release|hold|clear|snooze`."""
    cancel = add_command(
        group,
        "cancel",
        cancel_one,
        summary="end a job's run, queued or under way",
        description="Ends the run of a job. What is loaded stays, with the checkpoint behind it; the job is\n"
        "READY and runs again at its normal time. Its worker stops within a second or two.",
        example="etl-tui jobs cancel acme/GitHub",
    )
    cancel.add_argument("job", metavar="JOB", help=_JOB)
    release = add_command(
        group,
        "release",
        release_one,
        summary="take a job's run from its worker, for another to go on with it",
        description="For a run that hangs in the hands of its worker. The worker is fenced: what it still\n"
        "does is not written. Another one goes on from the last stored batch.",
        example="etl-tui jobs release acme/GitHub",
    )
    release.add_argument("job", metavar="JOB", help=_JOB)
    hold = add_command(
        group,
        "hold",
        hold_one,
        summary="let a job wait for a person",
        description="The job does not start by itself until it is cleared. A run under way goes on and\n"
        "does not end the hold; one by hand may be tried, and its success does.",
        example='etl-tui jobs hold acme/Jira --reason "token is renewed" --for 2h',
    )
    hold.add_argument("job", metavar="JOB", help=_JOB)
    hold.add_argument("--reason", required=True, metavar="TEXT", help="shown beside the job")
    hold.add_argument("--for", dest="span", metavar="2h", help="the hold ends by itself so much later")
    clear = add_command(
        group,
        "clear",
        clear_one,
        summary="end a job's hold, failure and snooze",
        description="FAILED becomes READY, failures in a row are forgotten, hold and snooze end.",
        example="etl-tui jobs clear acme/GitHub",
    )
    clear.add_argument("job", metavar="JOB", help=_JOB)
    snooze = add_command(
        group,
        "snooze",
        snooze_one,
        summary="do not start a job by itself before a time",
        description="The job does not start by itself before then. A wall time is one of this terminal's\n"
        "time zone; the answer names the zone.",
        example='etl-tui jobs snooze acme/GitHub "2026-11-25 06:00"',
    )
    snooze.add_argument("job", metavar="JOB", help=_JOB)
    snooze.add_argument(
        "until", metavar="UNTIL", help='2h, 06:00, "tomorrow 08:00" or "2026-11-25 06:00"; off ends it'
    )


async def cancel_one(arguments: argparse.Namespace, context: Context) -> int:
    """Cancels the open run; `--json`: its RunRow."""
    from etl_core.control.interventions import cancel

    job, run, reason = await _on_run(arguments.job, context, cancel)
    if context.output.json:
        context.output.emit(run)
    else:
        # Not at once where another database must be asked first what has landed.
        done = "will be cancelled" if run.finished_at is None else "is cancelled"
        context.output.line(one_line(f"{job.tenant}/{job.job_name}: run {run.id} {done}; {reason}"))
    return ExitCode.DONE


async def release_one(arguments: argparse.Namespace, context: Context) -> int:
    """Queues the open run for another worker; `--json`: its RunRow."""
    from etl_core.control.interventions import release

    job, run, reason = await _on_run(arguments.job, context, release)
    if context.output.json:
        context.output.emit(run)
    else:
        context.output.line(
            one_line(f"{job.tenant}/{job.job_name}: run {run.id} waits for another worker; {reason}")
        )
    return ExitCode.DONE


async def hold_one(arguments: argparse.Namespace, context: Context) -> int:
    """Holds a job; `--json`: its JobRow."""
    from etl_core.control.interventions import hold

    span = minutes("--for", arguments.span)

    async def act(conn: Connection, job_id: int, actor: Actor) -> None:
        await hold(conn, job_id, actor, reason=arguments.reason, minutes=span)

    job, _ = await _on_job(arguments.job, context, act)
    if context.output.json:
        context.output.emit(job)
        return ExitCode.DONE
    name = f"{job.tenant}/{job.job_name}"
    until = f"until {_wall(job.held_until)}" if job.held_until else f"until `etl-tui jobs clear {name}`"
    context.output.line(f"{name} is held {until}")
    if job.status == "RUNNING":
        context.output.notice(f"its run {job.run_id} goes on; `etl-tui jobs cancel {name}` ends it")
    return ExitCode.DONE


async def clear_one(arguments: argparse.Namespace, context: Context) -> int:
    """Clears a job; `--json`: its JobRow."""
    from etl_core.control.interventions import clear

    job, reason = await _on_job(arguments.job, context, clear)
    if context.output.json:
        context.output.emit(job)
    else:
        context.output.line(one_line(f"{job.tenant}/{job.job_name} is cleared: {job.status}, {reason}"))
    return ExitCode.DONE


async def snooze_one(arguments: argparse.Namespace, context: Context) -> int:
    """Snoozes a job, or ends that; `--json`: its JobRow."""
    from etl_core.control.feed import read_clock
    from etl_core.control.interventions import snooze

    async def act(conn: Connection, job_id: int, actor: Actor) -> None:
        until = None
        if arguments.until.strip().lower() != "off":
            until = moment("snooze", arguments.until, await read_clock(conn))
        await snooze(conn, job_id, actor, until=until)

    job, _ = await _on_job(arguments.job, context, act)
    if context.output.json:
        context.output.emit(job)
        return ExitCode.DONE
    told = f"snoozed until {_wall(job.not_before)}" if job.not_before else "not snoozed"
    context.output.line(f"{job.tenant}/{job.job_name} is {told}")
    if job.not_before and job.status == "RUNNING":
        context.output.notice(f"its run {job.run_id} goes on")
    return ExitCode.DONE


async def _on_run(
    reference: str, context: Context, act: Callable[[Connection, int, Actor], Awaitable[RunRow]]
) -> tuple[JobRow, RunRow, str]:
    """The job afterwards, its run, and why it does not run now."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import find_job

    async with context.connection() as conn:
        job_id = await find_job(conn, reference, tenant=context.settings.tenant)
        run = await act(conn, job_id, Actor.current())
        job, reason = await _look_again(conn, job_id)
    return job, run, reason


async def _on_job(
    reference: str, context: Context, act: Callable[[Connection, int, Actor], Awaitable[None]]
) -> tuple[JobRow, str]:
    """The job afterwards, and why it does not run now."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import find_job

    async with context.connection() as conn:
        job_id = await find_job(conn, reference, tenant=context.settings.tenant)
        await act(conn, job_id, Actor.current())
        return await _look_again(conn, job_id)


async def _look_again(conn: Connection, job_id: int) -> tuple[JobRow, str]:
    from etl_core.control.feed import JobFeed
    from etl_core.control.jobs import read_job
    from etl_core.rules.why import why

    job, health = await read_job(conn, job_id), await JobFeed(conn).read_health()
    return job, why(job, health, health.now.astimezone()).text


def _wall(moment: datetime | None) -> str:
    from etl_core.rules.moments import moment_text

    return moment_text(moment) if moment else ""
