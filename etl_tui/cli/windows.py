"""`etl-tui windows`: hours in which the schedule starts nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.quantities import count, wall_time

if TYPE_CHECKING:
    from etl_core.models.dispatch import WindowRow
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DESCRIPTION = """\
A blackout window of a job, an integration or a tenant: the schedule starts nothing of it in these hours.
What runs goes on; `jobs run` starts a job all the same. Hours are local to the zone and keep it when the
clocks change; an end not after the start is on the next day, and a day is that on which the window starts."""


def register(subparsers: Subparsers) -> None:
    """Adds `windows add|list|remove`."""
    add_group(
        subparsers, "windows", "blackout windows: hours in which nothing starts by itself", _add_commands
    )


def _add_commands(group: Subparsers) -> None:
    add = add_command(
        group,
        "add",
        add_one,
        summary="a window of a job, an integration or a tenant",
        description=DESCRIPTION,
        example="etl-tui windows add --on acme/jira --days mon-fri --from 22:00 --to 06:00 "
        "--zone Europe/Berlin",
    )
    where = add.add_mutually_exclusive_group(required=True)
    where.add_argument("--job", metavar="JOB", help="its id, or TENANT/JOB_NAME")
    where.add_argument("--on", metavar="PLACE", help="TENANT or TENANT/INTEGRATION")
    add.add_argument("--days", required=True, metavar="DAYS", help="mon-fri, sat,sun or daily")
    add.add_argument("--from", dest="starts", required=True, metavar="HH:MM", help="when it begins")
    add.add_argument("--to", dest="ends", required=True, metavar="HH:MM", help="when it is over")
    add.add_argument("--zone", required=True, metavar="ZONE", help="whose hours: Europe/Berlin, UTC")
    add.add_argument("--reason", metavar="TEXT", help="shown in the list")
    add_command(
        group,
        "list",
        list_all,
        summary="all windows, and until when those that hold do",
        example="etl-tui windows list",
    )
    remove = add_command(
        group, "remove", remove_one, summary="take a window away", example="etl-tui windows remove 3"
    )
    remove.add_argument("id", metavar="ID", help="as `windows list` shows it")


async def add_one(arguments: argparse.Namespace, context: Context) -> int:
    """Adds a window; `--json`: its WindowRow."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import find_job
    from etl_core.control.places import Place
    from etl_core.control.windows import add_window
    from etl_core.rules.weekdays import parse_weekdays

    try:
        weekdays = parse_weekdays(arguments.days)
    except ValueError as error:
        raise InvalidInput(f"--days: {error}") from None
    starts, ends = wall_time("--from", arguments.starts), wall_time("--to", arguments.ends)
    place = Place.parse(arguments.on) if arguments.on is not None else Place()
    async with context.connection() as conn:
        job_id = None
        if arguments.job is not None:
            job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        window = await add_window(
            conn,
            place=place,
            job_id=job_id,
            weekdays=weekdays,
            starts=starts,
            ends=ends,
            time_zone=arguments.zone,
            reason=arguments.reason,
            actor=Actor.current(),
        )
    if context.output.json:
        context.output.emit(window)
    else:
        context.output.line(
            f"window {window.id}: nothing of {_where(window)} starts by itself {_when(window)}"
        )
    return ExitCode.DONE


async def list_all(_: argparse.Namespace, context: Context) -> int:
    """Prints the windows; `--json`: an array of WindowRow."""
    from etl_core.control.windows import list_windows
    from etl_core.rules.moments import moment_text

    async with context.connection() as conn:
        windows = await list_windows(conn)
    if context.output.json:
        context.output.emit(windows)
    elif not windows:
        context.output.line("no blackout windows; `etl-tui windows add --help` shows how to make one")
    else:
        context.output.table(
            ("ID", "OF", "WHEN", "HOLDS UNTIL", "BY", "REASON"),
            [
                (
                    row.id,
                    _where(row),
                    _when(row),
                    moment_text(row.holds_until) if row.holds_until else None,
                    row.created_by,
                    row.reason,
                )
                for row in windows
            ],
        )
    return ExitCode.DONE


async def remove_one(arguments: argparse.Namespace, context: Context) -> int:
    """Removes a window; `--json`: {id, removed: true}."""
    from etl_core.control.audit import Actor
    from etl_core.control.windows import remove_window

    window_id = count("windows remove", arguments.id)
    async with context.connection() as conn:
        await remove_window(conn, window_id, Actor.current())
    if context.output.json:
        context.output.emit({"id": window_id, "removed": True})
    else:
        context.output.line(f"window {window_id} is gone")
    return ExitCode.DONE


def _where(window: WindowRow) -> str:
    if window.job is not None:
        return f"job {window.tenant}/{window.job}"
    return f"{window.tenant}/{window.integration}" if window.integration else window.tenant


def _when(window: WindowRow) -> str:
    from etl_core.rules.weekdays import weekdays_text

    return f"{weekdays_text(window.weekdays)} {window.starts:%H:%M}-{window.ends:%H:%M} {window.time_zone}"
