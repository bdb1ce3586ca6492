"""`etl-tui schedule`: what starts in the hours to come."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command
from etl_tui.cli.quantities import count

if TYPE_CHECKING:
    from etl_core.models.schedule import Schedule
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

CELLS = 72
"""Of the strip."""


def register(subparsers: Subparsers) -> None:
    """Adds `schedule`."""
    schedule = add_command(
        subparsers,
        "schedule",
        show_schedule,
        summary="what starts in the hours to come, who will wait for whom, blackouts and pauses",
        description="The starts to come, if every run succeeds: how dense they are, the next of each job,\n"
        "and which jobs will wait for another because of the limit of their integration, by what is\n"
        "usual of both.",
        example="etl-tui schedule --hours 8 --tenant acme",
    )
    schedule.add_argument("--hours", metavar="N", default="24", help="how far to look (default %(default)s)")
    schedule.add_argument("--tenant", metavar="TENANT", help="of one tenant only")
    schedule.add_argument(
        "--at-most", metavar="N", default="40", help="show the next N starts (default %(default)s)"
    )


async def show_schedule(arguments: argparse.Namespace, context: Context) -> int:
    """Prints strip, waits, bars and starts; `--json`: a Schedule, whole."""
    from etl_core.control.schedule import BUCKETS, read_schedule

    hours, most = count("--hours", arguments.hours), count("--at-most", arguments.at_most)
    async with context.connection() as conn:
        schedule = await read_schedule(
            conn,
            tenant=arguments.tenant or context.settings.tenant,
            hours=hours,
            buckets=BUCKETS if context.output.json else CELLS,
        )
    if context.output.json:
        context.output.emit(schedule)
    else:
        _print(schedule, most, context)
    return ExitCode.DONE


def _print(schedule: Schedule, most: int, context: Context) -> None:
    from etl_core.rules.clock_text import clock_text
    from etl_core.rules.density import density_strip, hour_marks
    from etl_core.rules.intervals import short_interval
    from etl_core.rules.schedule_ahead import wait_text

    out, start = context.output, schedule.start.astimezone()
    numbers = [bucket.starts for bucket in schedule.density]
    out.line(f"{schedule.total:,} starts in {schedule.hours} hours, {max(numbers):,} in the densest part")
    out.line(density_strip(numbers, ascii_only=not out.shows("█")))
    out.line(hour_marks(start, schedule.hours, len(numbers)))
    if schedule.bars:
        out.line()
        out.table(
            ("BARRED", "WHY", "FROM", "UNTIL", "REASON"),
            [
                (
                    bar.place,
                    bar.kind,
                    clock_text(bar.starts, start),
                    clock_text(bar.ends, start) if bar.ends else "resumed",
                    bar.reason,
                )
                for bar in schedule.bars
            ],
        )
    if schedule.waits:
        out.line()
        for wait in schedule.waits[:most]:
            text = wait_text(wait.job, wait.waits_for, wait.minutes, wait.times)
            out.line(f"{clock_text(wait.at, start)}  {one_line(text)}")
        if schedule.waits_until < schedule.density[-1].at:
            out.line(f"(waits are followed until {clock_text(schedule.waits_until, start)})")
    out.line()
    out.table(
        ("NEXT", "JOB", "EVERY", "STARTS", "NOTE"),
        [
            (
                clock_text(coming.at, start),
                coming.job,
                short_interval(coming.interval_minutes),
                coming.starts,
                f"after the {coming.delayed_by}" if coming.delayed_by else None,
            )
            for coming in schedule.coming[:most]
        ],
    )
    if (more := len(schedule.coming) - most) > 0:
        out.line(f"and {more:,} more jobs; --at-most shows them")
