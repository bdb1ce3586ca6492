"""`etl-tui limits`: how many runs there may be at once."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.pauses import PLACE
from etl_tui.cli.quantities import count_or_none

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers


def register(subparsers: Subparsers) -> None:
    """Adds `limits list|set`."""
    add_group(subparsers, "limits", "how many runs there may be at once", _add_commands)


def _add_commands(group: Subparsers) -> None:
    add_command(
        group,
        "list",
        list_all,
        summary="every limit that is set, with the runs that count against it",
        example="etl-tui limits list --json",
    )
    change = add_command(
        group,
        "set",
        set_one,
        summary="limit the runs at once: in all, of a tenant, on an integration",
        description="Limits the runs at once. Runs under way go on, whatever the limit.",
        example="etl-tui limits set acme/jira 2",
    )
    change.add_argument("place", metavar="PLACE", help=PLACE)
    change.add_argument("max_runs", metavar="N", help="1 to 100,000, or none to take the limit away")


async def list_all(_: argparse.Namespace, context: Context) -> int:
    """Prints the limits, the widest first; `--json`: an array of LimitRow."""
    from etl_core.control.pauses import list_limits
    from etl_core.control.places import Place

    async with context.connection() as conn:
        limits = await list_limits(conn)
    if context.output.json:
        context.output.emit(limits)
    elif not limits:
        context.output.line("no limits; `etl-tui limits set PLACE N` sets one")
    else:
        context.output.table(
            ("PLACE", "RUNNING", "AT MOST"),
            [(Place(row.tenant, row.integration), row.running, row.max_runs) for row in limits],
        )
    return ExitCode.DONE


async def set_one(arguments: argparse.Namespace, context: Context) -> int:
    """Sets or takes away a limit; `--json`: {place, max_runs}."""
    from etl_core.control.audit import Actor
    from etl_core.control.pauses import limit
    from etl_core.control.places import Place

    place = Place.parse(arguments.place)
    max_runs = count_or_none("limits set", arguments.max_runs)
    async with context.connection() as conn:
        await limit(conn, place, max_runs, Actor.current())
    if context.output.json:
        context.output.emit({"place": str(place), "max_runs": max_runs})
    elif max_runs is None:
        context.output.line(f"{place} has no limit of its own")
    else:
        context.output.line(f"{place} has at most {max_runs:,} run{'' if max_runs == 1 else 's'} at once")
    return ExitCode.DONE
