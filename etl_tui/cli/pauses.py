"""`etl-tui pause|resume`: lets nothing start for a while, everywhere or in one place."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

PLACE = "all, TENANT or TENANT/INTEGRATION"


def register(subparsers: Subparsers) -> None:
    """Adds `pause` and `resume`."""
    pause = add_command(
        subparsers,
        "pause",
        pause_or_list,
        summary="let nothing start: in all, of a tenant, of an integration",
        description="Nothing starts there until it is resumed, not even by hand; runs under way go on.\n"
        "With --list (or alone) it prints what is paused.",
        example='etl-tui pause acme/jira --reason "migration until tonight"',
    )
    pause.add_argument("place", nargs="?", metavar="PLACE", help=PLACE)
    pause.add_argument("--reason", metavar="TEXT", help="shown beside every job it keeps; needed")
    pause.add_argument("--list", dest="listing", action="store_true", help="what is paused, and why")
    resume = add_command(
        subparsers,
        "resume",
        resume_one,
        summary="let runs start again where they were paused",
        example="etl-tui resume acme/jira",
    )
    resume.add_argument("place", metavar="PLACE", help=PLACE)


async def pause_or_list(arguments: argparse.Namespace, context: Context) -> int:
    """Pauses a place, `--json`: its PauseRow; or lists, `--json`: an array of PauseRow."""
    if arguments.place is None:
        if arguments.reason is not None:
            raise InvalidInput(f"pause what? Give {PLACE}")
        return await _list_all(context)
    if arguments.listing:
        raise InvalidInput("pause --list takes no place")
    from etl_core.control.audit import Actor
    from etl_core.control.pauses import pause
    from etl_core.control.places import Place

    place = Place.parse(arguments.place)
    async with context.connection() as conn:
        row = await pause(conn, place, Actor.current(), reason=arguments.reason or "")
    if context.output.json:
        context.output.emit(row)
    else:
        context.output.line(f"{place} is paused: {row.reason}; `etl-tui resume {place}` ends it")
    return ExitCode.DONE


async def resume_one(arguments: argparse.Namespace, context: Context) -> int:
    """Resumes a place; `--json`: {place, paused: false}."""
    from etl_core.control.audit import Actor
    from etl_core.control.pauses import resume
    from etl_core.control.places import Place

    place = Place.parse(arguments.place)
    async with context.connection() as conn:
        await resume(conn, place, Actor.current())
    if context.output.json:
        context.output.emit({"place": str(place), "paused": False})
    else:
        context.output.line(f"{place} is not paused any more")
    return ExitCode.DONE


async def _list_all(context: Context) -> int:
    from etl_core.control.pauses import list_pauses
    from etl_core.control.places import Place
    from etl_core.rules.moments import moment_text

    async with context.connection() as conn:
        pauses = await list_pauses(conn)
    if context.output.json:
        context.output.emit(pauses)
    elif not pauses:
        context.output.line("nothing is paused")
    else:
        context.output.table(
            ("PAUSED", "BY", "SINCE", "REASON"),
            [
                (Place(row.tenant, row.integration), row.paused_by, moment_text(row.paused_at), row.reason)
                for row in pauses
            ],
        )
    return ExitCode.DONE
