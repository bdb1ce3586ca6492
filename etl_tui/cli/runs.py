"""`etl-tui runs`: what became of a job's executions."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput, NotFound
from etl_tui.cli import run_log
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.quantities import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from etl_core.models.run import RunRow
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DEFAULT_RUNS = 20
MOST_RUNS = 10_000


def register(subparsers: Subparsers) -> None:
    """Adds `runs list|show|log`."""
    add_group(subparsers, "runs", "list and show the runs of a job", _add_commands)


def _add_commands(group: Subparsers) -> None:
    listing = add_command(
        group,
        "list",
        list_all,
        summary="the newest runs of a job, newest first",
        example="etl-tui runs list acme/GitHub --limit 5",
    )
    listing.add_argument("job", metavar="JOB", help="its id, or TENANT/JOB_NAME")
    listing.add_argument("--limit", metavar="N", help=f"so many at most ({DEFAULT_RUNS})")
    show = add_command(
        group, "show", show_one, summary="one run with its counts", example="etl-tui runs show 5120"
    )
    show.add_argument("run", metavar="RUN", help="its number")
    run_log.register(group)


async def list_all(arguments: argparse.Namespace, context: Context) -> int:
    """Prints runs; `--json`: an array of RunRow."""
    from etl_core.control.feed import JobFeed
    from etl_core.control.jobs import find_job
    from etl_core.control.runs import list_runs

    limit = DEFAULT_RUNS if arguments.limit is None else count("--limit", arguments.limit)
    if not 1 <= limit <= MOST_RUNS:
        raise InvalidInput(f"--limit {limit}: 1 to {MOST_RUNS:,}")
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        runs = await list_runs(conn, job_id, limit=limit)
        now = (await JobFeed(conn).read_health()).now
    if context.output.json:
        context.output.emit(runs)
    elif not runs:
        context.output.line("it never ran")
    else:
        print_runs(runs, now.astimezone(), context)
    return ExitCode.DONE


async def show_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints a run and how far its stages are; `--json`: its RunDetails."""
    from etl_core.control.runs import describe_run
    from etl_core.rules.clock_text import wait_text
    from etl_core.rules.moments import moment_text

    if not (arguments.run.isascii() and arguments.run.isdigit() and len(arguments.run) < 19):
        raise NotFound(f"no run {arguments.run}; `etl-tui runs list JOB` shows those of a job")
    async with context.connection() as conn:
        run = await describe_run(conn, int(arguments.run))
    if context.output.json:
        context.output.emit(run)
        return ExitCode.DONE

    def told(moment: datetime | None) -> str | None:
        return moment_text(moment) if moment else None

    left = run.seconds_left
    context.output.fields(
        [
            ("run", f"{run.id} of job {run.job_id}"),
            ("state", run.state),
            ("trigger", f"{run.trigger}, by {run.requested_by}" if run.requested_by else run.trigger),
            ("waits", run.wait_reason),
            ("queued", told(run.queued_at)),
            ("started", told(run.started_at)),
            ("finished", told(run.finished_at)),
            ("records", f"{run.rows_extracted:,}"),
            ("new", f"{run.rows_new:,}"),
            ("changed", f"{run.rows_changed:,}"),
            ("unchanged", f"{run.rows_unchanged:,}"),
            ("deleted", f"{run.rows_deleted:,}"),
            ("rejected", f"{run.rows_rejected:,}"),
            ("batches", f"{run.batches:,}"),
            ("workers lost", run.losses or None),
            ("error", run.error_message),
            ("to be loaded", f"{run.lag:,}" if run.state == "RUNNING" else None),
            ("expected", f"{run.rows_expected:,}" if run.rows_expected else None),
            ("done in about", wait_text(timedelta(seconds=left), seconds=True) if left else None),
        ]
    )
    if run.progress:
        context.output.table(
            ("STREAM", "STAGE", "ROWS", "BYTES", "ROWS/S"),
            [
                (part.stream, part.stage, part.rows, part.bytes, round(part.rows_per_second or 0) or None)
                for part in run.progress
            ],
        )
    return ExitCode.DONE


def print_runs(runs: Sequence[RunRow], now: datetime, context: Context) -> None:
    """A table of runs, for people."""
    from etl_core.rules.clock_text import ago_text
    from etl_core.rules.counts_text import result_sentence

    context.output.table(
        ("RUN", "STATE", "TRIGGER", "QUEUED", "RECORDS", "RESULT"),
        [
            (
                run.id,
                run.state,
                run.trigger,
                ago_text(run.queued_at, now),
                run.rows_extracted,
                run.error_message or (result_sentence(run) if run.state == "SUCCEEDED" else run.wait_reason),
            )
            for run in runs
        ],
    )
