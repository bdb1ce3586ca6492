"""`etl-tui checkpoint`: where a job stands, how it came there, and how it is mended."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli import checkpoint_repairs as repairs
from etl_tui.cli.output import harmless, one_line
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.quantities import listing_limit

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from etl_core.models.checkpoint import CheckpointVersion, VersionDiff
    from etl_tui.cli.context import Context
    from etl_tui.cli.output import Output
    from etl_tui.cli.parser import Subparsers

DEFAULT_VERSIONS = 30
MOST_VERSIONS = 10_000
MOST_WITH_VALUES = 20
"""Up to so many partitions a diff tells each value for people, not just a summary."""


def register(subparsers: Subparsers) -> None:
    """Adds `checkpoint show|history|diff|set|edit|rewind|drop-resume|clear`."""
    add_group(subparsers, "checkpoint", "where a job stands: show, compare, repair, rewind it", _add_commands)


def _add_commands(group: Subparsers) -> None:
    show = add_command(
        group,
        "show",
        show_one,
        summary="the checkpoint of a job, as JSON",
        description="Prints the checkpoint as one JSON document, as it is now (in mid-run, too), or null.\n"
        "`checkpoint set` takes it back unchanged.",
        example="etl-tui checkpoint show acme/airports",
    )
    repairs.add_job(show)
    show.add_argument("--version", metavar="N", help="as it was in this version")
    history = add_command(
        group,
        "history",
        list_history,
        summary="its versions, newest first: when, who or what moved it, why",
        example="etl-tui checkpoint history acme/airports --limit 5",
    )
    repairs.add_job(history)
    history.add_argument("--limit", metavar="N", help=f"so many at most ({DEFAULT_VERSIONS})")
    difference = add_command(
        group,
        "diff",
        show_diff,
        summary="what differs between two versions, per stream and partition",
        description="From version A to version B. Without B to the checkpoint as it is now; without both,\n"
        "what the last version changed (while the job runs: what its run has moved so far).",
        example="etl-tui checkpoint diff acme/airports 15 18",
    )
    repairs.add_job(difference)
    difference.add_argument("a", metavar="A", nargs="?", help="the version before, 0: nothing")
    difference.add_argument("b", metavar="B", nargs="?", help="the version after")
    difference.add_argument("--raw", action="store_true", help="both sides as lines of JSON")
    repairs.add_commands(group)


async def show_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the document, with and without `--json`; null when there is none."""
    from etl_core.control import checkpoints
    from etl_core.control.jobs import find_job
    from etl_core.rules.checkpoints.exact_json import dump

    notices: tuple[str, ...] = ()
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        if arguments.version is not None:
            version = repairs.version_number(arguments.version)
            text = dump((await checkpoints.read_version(conn, job_id, version)).as_json(version), indent=2)
        else:
            current = await checkpoints.read_checkpoint(conn, job_id)
            notices = current.notices if current.raw is None else (current.uneditable or "",)
            text = current.raw or dump(current.document.as_json(current.version), indent=2)
    context.output.emit_text(text)
    for notice in notices:
        context.output.notice(notice)
    return ExitCode.DONE


async def list_history(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the versions; `--json`: an array of CheckpointVersion with `what` in words."""
    from etl_core.control import checkpoints
    from etl_core.control.feed import read_clock
    from etl_core.control.jobs import find_job

    limit = listing_limit(arguments.limit, usual=DEFAULT_VERSIONS, most=MOST_VERSIONS)
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        versions = await checkpoints.list_versions(conn, job_id, limit=limit)
        now = await read_clock(conn)
    if context.output.json:
        context.output.emit([{**row.model_dump(), "what": row.what} for row in versions])
    elif not versions:
        context.output.line("no versions: nothing was ever loaded or set")
    else:
        _print_history(versions, now.astimezone(), context.output)
        if len(versions) == limit and versions[-1].version > 1:
            context.output.notice(f"the last {limit:,}; there may be more, --limit N shows them")
    return ExitCode.DONE


def _print_history(versions: list[CheckpointVersion], now: datetime, output: Output) -> None:
    from etl_core.rules.clock_text import clock_text

    output.table(
        ("VERSION", "WHEN", "MOVED BY", "CHANGED", "REASON"),
        [
            (
                f"v{row.version}" + (" (last good)" if row.is_last_good else ""),
                clock_text(row.at, now),
                f"run {row.run_id}" if row.run_id else f"{row.source}, {row.actor}",
                row.what,
                row.reason,
            )
            for row in versions
        ],
    )


async def show_diff(arguments: argparse.Namespace, context: Context) -> int:
    """Prints what differs; `--json`: both versions, new, changed, gone, partitions, document."""
    from etl_core.control import checkpoints
    from etl_core.control.jobs import find_job
    from etl_core.rules.checkpoints.diff import raw_lines
    from etl_core.rules.checkpoints.exact_json import dump

    before, after = (
        None if given is None else repairs.version_number(given) for given in (arguments.a, arguments.b)
    )
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        found = await checkpoints.diff_versions(conn, job_id, before, after)
    if context.output.json:
        context.output.emit_text(dump(_diff_document(found), indent=2))
    elif arguments.raw:
        for line in raw_lines(found.before, found.after):
            context.output.line(harmless(line))
    else:
        _print_diff(found, context.output)
    return ExitCode.DONE


def _diff_document(found: VersionDiff) -> dict[str, Any]:
    from etl_core.rules.checkpoints.diff import Change
    from etl_core.rules.checkpoints.summaries import headline

    difference = found.difference
    return {
        "job_id": found.job_id,
        "before_version": found.before_version,
        "after_version": found.after_version,
        "headline": headline(difference),
        **{change.value: difference.count(change) for change in Change},
        "partitions": repairs.changes_as_json(difference),
        "document": repairs.values_as_json(difference.other_values()),
    }


def _print_diff(found: VersionDiff, output: Output) -> None:
    from etl_core.rules.checkpoints.summaries import headline, value_text

    after = "now" if found.after_version is None else f"v{found.after_version}"
    output.line(f"v{found.before_version} → {after}: {headline(found.difference)}")
    repairs.print_changes(found.difference, output, with_values=MOST_WITH_VALUES)
    for value in found.difference.other_values():
        sides = f"{value_text(value.before)} → {value_text(value.after)}"
        output.line(f"  {one_line(value.path)}  {one_line(sides)}")
