"""`etl-tui runs`: what became of executions of jobs."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, NotFound
from etl_tui.cli import run_comparison, run_log
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.quantities import listing_limit, since

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from etl_core.models.run import RunDetails, RunListRow
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DEFAULT_RUNS = 20
MOST_RUNS = 10_000
STATES = ("QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")
TRIGGERS = ("schedule", "retry", "manual", "backfill")


def register(subparsers: Subparsers) -> None:
    """Adds `runs list|show|log|compare`."""
    add_group(subparsers, "runs", "list, show and compare the runs of jobs", _add_commands)


def _add_commands(group: Subparsers) -> None:
    listing = add_command(
        group,
        "list",
        list_all,
        summary="the newest runs of a job, or of all jobs, newest first",
        example="etl-tui runs list acme/GitHub --state FAILED --since 7d",
    )
    listing.add_argument(
        "job", metavar="JOB", nargs="?", help="its id, or TENANT/JOB_NAME; default: all jobs (of ETL_TENANT)"
    )
    listing.add_argument(
        "--state", type=str.upper, action="append", choices=STATES, help="only of this state; may be repeated"
    )
    listing.add_argument(
        "--trigger", action="append", choices=TRIGGERS, help="only started by this; may be repeated"
    )
    listing.add_argument("--since", metavar="WHEN", help="queued since then: 7d ago, 2026-11-25, 06:00")
    listing.add_argument("--limit", metavar="N", help=f"so many at most ({DEFAULT_RUNS})")
    show = add_command(
        group,
        "show",
        show_one,
        summary="one run: its counts, stages, who holds what of it, and why it brought nothing, if so",
        example="etl-tui runs show 5120",
    )
    show.add_argument("run", metavar="RUN", help="its number")
    run_comparison.register(group)
    run_log.register(group)


def run_number(text: str) -> int:
    """The number of a run.

    Raises:
        NotFound: there can be no such run.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound(f"no run {text}; `etl-tui runs list` shows the newest")
    return int(text)


async def list_all(arguments: argparse.Namespace, context: Context) -> int:
    """Prints runs; `--json`: an array of RunListRow."""
    from etl_core.control.feed import read_clock
    from etl_core.control.jobs import find_job
    from etl_core.control.runs import list_runs
    from etl_core.models.run import RunState

    limit = listing_limit(arguments.limit, usual=DEFAULT_RUNS, most=MOST_RUNS)
    tenant = context.settings.tenant
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=tenant) if arguments.job else None
        now = await read_clock(conn)
        runs = await list_runs(
            conn,
            job_id,
            tenant=tenant,
            states=arguments.state and [RunState(state) for state in arguments.state],
            triggers=arguments.trigger,
            since=None if arguments.since is None else since("--since", arguments.since, now),
            limit=limit,
        )
    if context.output.json:
        context.output.emit(runs)
    elif not runs:
        is_filtered = arguments.state or arguments.trigger or arguments.since
        never = "it never ran" if arguments.job else "nothing has run yet"
        context.output.line("none that match" if is_filtered else never)
    else:
        print_runs(runs, now.astimezone(), context, of_jobs=job_id is None)
    return ExitCode.DONE


async def show_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints a run, how far its stages are, and who holds what; `--json`: its RunDetails and timeline."""
    from etl_core.control.runs import describe_run, list_batches, read_timeline

    async with context.connection() as conn:
        run_id = run_number(arguments.run)
        run = await describe_run(conn, run_id)
        stages = await read_timeline(conn, run_id)
        batches = await list_batches(conn, run_id, unloaded_only=True, limit=20) if run.state.is_open else []
    if context.output.json:
        context.output.emit(run.model_dump(mode="json") | {"stages": stages, "batches_unloaded": batches})
        return ExitCode.DONE
    _print_fields(run, context)
    if len(stages) > 1:
        context.output.line()
        context.output.table(
            ("STAGE", "STREAM", "BEGAN", "UNTIL", "BATCHES", "ROWS"),
            [
                (
                    span.stage,
                    span.stream or "",
                    f"{span.first_at.astimezone():%H:%M:%S}",
                    f"{span.last_at.astimezone():%H:%M:%S}" if span.is_over else "goes on",
                    span.batches,
                    span.rows if span.stage != "queued" else None,
                )
                for span in stages
            ],
        )
    if run.hands:
        context.output.line()
        context.output.table(
            ("WORKER", "STATE", "EXTRACTS", "HOLDS", "ROWS", "LOADED", "ROWS LOADED", "ROWS/S"),
            [
                (
                    hand.worker,
                    hand.state,
                    "yes" if hand.extracts else "",
                    hand.batches,
                    hand.rows,
                    hand.batches_loaded,
                    hand.rows_loaded,
                    round(hand.rows_per_second or 0) or None,
                )
                for hand in run.hands
            ],
        )
    if batches:
        context.output.line()
        context.output.table(
            ("BATCH", "LANE", "STAGE", "STATE", "WORKER", "ROWS", "AGE"),
            [
                (b.seq, b.lane, b.stage, b.state, b.worker or "", b.rows, f"{b.age_seconds:.0f} s")
                for b in batches
            ],
        )
    return ExitCode.DONE


def _print_fields(run: RunDetails, context: Context) -> None:
    from etl_core.rules.clock_text import wait_text
    from etl_core.rules.moments import moment_text
    from etl_core.rules.run_differences import checkpoint_text

    def told(moment: datetime | None) -> str | None:
        return moment_text(moment) if moment else None

    left = run.seconds_left
    options = ", ".join(
        f"{name} {value}" if value is not True else name for name, value in run.options.items()
    )
    context.output.fields(
        [
            ("run", f"{run.id} of {run.tenant}/{run.job_name} ({run.job_id})"),
            ("state", run.state),
            ("trigger", f"{run.trigger}, by {run.requested_by}" if run.requested_by else run.trigger),
            ("options", options or None),
            ("waits", run.wait_reason),
            ("queued", told(run.queued_at)),
            ("started", told(run.started_at)),
            ("finished", told(run.finished_at)),
            ("took", f"{run.seconds:,.1f} s" if run.seconds is not None else None),
            ("records", f"{run.rows_extracted:,}"),
            ("new", f"{run.rows_new:,}"),
            ("changed", f"{run.rows_changed:,}"),
            ("unchanged", f"{run.rows_unchanged:,}"),
            ("deleted", f"{run.rows_deleted:,}"),
            ("rejected", f"{run.rows_rejected:,}"),
            ("nothing new", run.explanation),
            ("batches", f"{run.batches:,}"),
            ("checkpoint", checkpoint_text(run)),
            ("workers lost", run.losses or None),
            ("error kind", run.error_kind),
            ("error", run.error_message),
            ("to be loaded", f"{run.lag:,}" if run.state == "RUNNING" else None),
            ("batches waiting", run.batches_waiting or None),
            ("expected", f"{run.rows_expected:,}" if run.rows_expected else None),
            ("done in about", wait_text(timedelta(seconds=left), seconds=True) if left else None),
        ]
    )


def print_runs(runs: Sequence[RunListRow], now: datetime, context: Context, *, of_jobs: bool = False) -> None:
    """A table of runs, for people; `of_jobs`: of several."""
    from etl_core.rules.clock_text import ago_text
    from etl_core.rules.counts_text import result_sentence
    from etl_core.rules.run_differences import checkpoint_text

    def result(run: RunListRow) -> str | None:
        return run.error_message or (result_sentence(run) if run.state == "SUCCEEDED" else run.wait_reason)

    headers = ["RUN", "STATE", "TRIGGER", "BY", "QUEUED", "SECONDS", "RECORDS", "CHECKPOINT", "RESULT"]
    rows = [
        [
            run.id,
            run.state,
            run.trigger,
            run.requested_by or "",
            ago_text(run.queued_at, now),
            None if run.seconds is None else round(run.seconds, 1),
            run.rows_extracted,
            checkpoint_text(run),
            result(run),
        ]
        for run in runs
    ]
    if of_jobs:
        headers.insert(1, "JOB")
        for row, run in zip(rows, runs, strict=True):
            row.insert(1, f"{run.tenant}/{run.job_name}")
    context.output.table(headers, rows)
