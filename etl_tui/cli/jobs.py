"""`etl-tui jobs`: the grammar, and the commands that read; the `job_*` modules hold the others."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli import job_backfill, job_changes, job_interventions, job_run, job_why
from etl_tui.cli.output import harmless
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.runs import print_runs

if TYPE_CHECKING:
    from datetime import datetime

    from etl_core.models.health import Health
    from etl_core.models.job import JobDetails, JobRow
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

RECENT_RUNS = 5
"""How many runs `jobs show` prints."""

STATUSES = ("READY", "RUNNING", "FINISHED", "FAILED")

_INTERVAL = "minutes, or 90m, 6h, 2 days; at most ten years"


def register(subparsers: Subparsers) -> None:
    """Adds all of `jobs`."""
    add_group(subparsers, "jobs", "list, show, run and change jobs", _add_commands)


def _add_commands(group: Subparsers) -> None:
    listing = add_command(
        group,
        "list",
        list_all,
        summary="all jobs, when each runs next, and the one most useful thing about it",
        example="etl-tui jobs list --status FAILED",
    )
    listing.add_argument(
        "--tenant", metavar="NAME", help="only this tenant's (default: ETL_TENANT, else all)"
    )
    listing.add_argument("--status", type=str.upper, choices=STATUSES, help="only jobs of this status")

    show = add_command(
        group,
        "show",
        show_one,
        summary="one job with its checkpoint and last runs",
        example="etl-tui jobs show acme/GitHub",
    )
    _add_job(show)

    run = add_command(
        group,
        "run",
        job_run.run_one,
        summary="run a job now",
        description="Runs a job now. One that is off runs once and stays off; a held one may be tried.\n"
        "Exit code with --wait: 0 when the run succeeded, 1 when it failed or was cancelled.\n"
        "Ctrl-C ends the waiting, not the run.",
        example="etl-tui jobs run acme/GitHub --wait",
    )
    _add_job(run)
    run.add_argument("--wait", action="store_true", help="show its progress and end with it")
    run.add_argument(
        "--timeout",
        type=job_run.positive,
        metavar="SEC",
        help="with --wait: give up waiting (exit 1)",
    )
    run.add_argument("--evolve", action="store_true", help="this once its tables take new fields")
    run.add_argument(
        "--allow-deletions",
        action="store_true",
        help="this once more than half of a table may be marked deleted by a full refresh",
    )
    run.add_argument(
        "--full-refresh",
        action="store_true",
        help="this once read everything again; the bookmark is replaced when that is done",
    )
    run.add_argument(
        "--stream",
        dest="streams",
        action="append",
        metavar="S",
        help="with --full-refresh: of this stream alone; may be repeated",
    )

    enable = add_command(
        group,
        "enable",
        job_changes.enable,
        summary="switch a job on",
        example="etl-tui jobs enable acme/Fabric",
    )
    _add_job(enable)

    disable = add_command(
        group,
        "disable",
        job_changes.disable,
        summary="switch a job off",
        description="Switches a job off. A run that has started goes on; one still queued is cancelled.",
        example='etl-tui jobs disable acme/Jira --reason "noisy until the release"',
    )
    _add_job(disable)
    disable.add_argument("--reason", metavar="TEXT", help="shown beside the job")

    settings = add_command(
        group,
        "settings",
        job_changes.change_settings,
        summary="change a job's intervals, its limits, or the integration it reads from",
        description="Changes what is given and leaves the rest. The retry interval must be the shorter one.\n"
        "A run past its deadline is ended FAILED; after so many failures in a row the job goes off.",
        example="etl-tui jobs settings acme/GitHub --schedule 4h --retry 15m --integration github",
    )
    _add_job(settings)
    settings.add_argument("--schedule", metavar="MIN", help=f"run every so often: {_INTERVAL}")
    settings.add_argument("--retry", metavar="MIN", help="after a failure, try again so much later")
    settings.add_argument("--integration", metavar="NAME", help="an integration of the job's own tenant")
    settings.add_argument("--deadline", metavar="MIN", help="how long a run may take, like 2h; or none")
    settings.add_argument("--max-failures", metavar="N", help="off after so many failures in a row (10)")

    add = add_command(
        group,
        "add",
        job_changes.add,
        summary="a new job of a tenant, on from the start",
        example="etl-tui jobs add acme/payments --integration payments --schedule 1h --retry 15m",
    )
    add.add_argument("job", metavar="TENANT/JOB", help="whose it is and what it is called")
    add.add_argument("--integration", required=True, metavar="NAME", help="what it reads from")
    add.add_argument("--schedule", metavar="MIN", default="360", help=f"run every so often: {_INTERVAL} (6h)")
    add.add_argument("--retry", metavar="MIN", help="after a failure, try again so much later (15m, or less)")

    job_backfill.register(group)
    job_interventions.register(group)
    job_why.register(group)


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="its id, or TENANT/JOB_NAME")


async def list_all(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the jobs by name; `--json`: an array of JobRow."""
    from etl_core.control.feed import JobFeed
    from etl_core.control.jobs import list_jobs
    from etl_core.control.tenants import find_tenant

    tenant = arguments.tenant or context.settings.tenant
    async with context.connection() as conn:
        if tenant is not None:
            await find_tenant(conn, tenant)
        jobs = await list_jobs(conn, tenant=tenant)
        health = await JobFeed(conn).read_health()
    shown = [job for job in jobs if arguments.status in (None, job.status)]
    if context.output.json:
        context.output.emit(shown)
    elif not jobs:
        context.output.line("no jobs yet; `etl-tui tenants add NAME` makes a tenant with its four jobs")
    else:
        _print_table(shown, health, context)
        if not (health.workers_alive and health.schedulers_alive):
            context.output.notice(f"nothing runs by itself now: {_who_is_missing(health.workers_alive)}")
    return ExitCode.DONE


def _who_is_missing(workers: int) -> str:
    return (
        "no scheduler alive; start one with `etl-scheduler`"
        if workers
        else "no worker alive; start one with `etl-worker`"
    )


def _print_table(jobs: list[JobRow], health: Health, context: Context) -> None:
    from etl_core.rules.clock_text import ago_text
    from etl_core.rules.intervals import short_interval
    from etl_core.rules.notes import next_text, note_text

    now = health.now.astimezone()
    context.output.table(
        ("ID", "STATUS", "JOB", "EVERY", "RETRY", "LAST RUN", "NEXT", "NOTE"),
        [
            (
                job.id,
                job.status if job.active else f"{job.status} off",
                f"{job.tenant}/{job.job_name}",
                short_interval(job.schedule_interval_minutes),
                short_interval(job.retry_interval_minutes),
                ago_text(job.last_run_finished_at or job.last_run_started_at, now),
                next_text(job, now),
                note_text(job, now, health=health),
            )
            for job in jobs
        ],
    )


async def show_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints a job with its checkpoint and newest runs; `--json`: its JobDetails."""
    from etl_core.control.feed import JobFeed
    from etl_core.control.jobs import find_job, show_job
    from etl_core.control.runs import list_runs

    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        job = await show_job(conn, job_id)
        runs = await list_runs(conn, job_id, limit=RECENT_RUNS)
        health = await JobFeed(conn).read_health()
    if context.output.json:
        context.output.emit(job)
        return ExitCode.DONE
    now = health.now.astimezone()
    _print_details(job, health, now, context)
    if runs:
        context.output.line()
        print_runs(runs, now, context)
    return ExitCode.DONE


def _print_details(job: JobDetails, health: Health, now: datetime, context: Context) -> None:
    from etl_core.rules.clock_text import ago_text, clock_text
    from etl_core.rules.intervals import humanise_minutes
    from etl_core.rules.why import why

    on = "on" if job.active else f"off{f', by {job.off_by}' if job.off_by else ''}"
    context.output.fields(
        [
            ("job", f"{job.tenant}/{job.job_name} ({job.id})"),
            ("status", f"{job.status}, {on}"),
            ("why", why(job, health, now).text),
            ("every", humanise_minutes(job.schedule_interval_minutes)),
            ("retry after", humanise_minutes(job.retry_interval_minutes)),
            ("integration", f"{job.integration} ({job.integration_type})" if job.integration else "none"),
            ("deadline", humanise_minutes(job.deadline_minutes) if job.deadline_minutes else "none"),
            ("off after", f"{job.max_failures:,} failure{'' if job.max_failures == 1 else 's'} in a row"),
            ("due", clock_text(job.due_at, now) if job.due_at else None),
            ("last started", ago_text(job.last_run_started_at, now)),
            ("last finished", ago_text(job.last_run_finished_at, now)),
            ("last success", ago_text(job.last_success_at, now)),
            ("failures in a row", job.retry_count or None),
            ("error", job.error_message),
            ("checkpoint", f"v{job.checkpoint_version}" if job.checkpoint_data else "none"),
        ]
    )
    if job.checkpoint_data:
        context.output.line(harmless(json.dumps(job.checkpoint_data, indent=2, ensure_ascii=False)))
