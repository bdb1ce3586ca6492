"""`etl-tui runs log`: what a run told of itself."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput, NotFound
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_core.models.run import LogLine
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

INTERVAL = 1.0
"""Seconds between two looks of `--follow`."""
AT_ONCE = 10_000
"""Lines."""


def register(group: Subparsers) -> None:
    """Adds `runs log`."""
    log = add_command(
        group,
        "log",
        show_log,
        summary="what a run told: the output of a command or of a Singer tap",
        example="etl-tui runs log 5120 --follow",
    )
    log.add_argument("run", metavar="RUN", help="its number")
    log.add_argument("--follow", action="store_true", help="go on until the run has ended")


async def show_log(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the lines of a run; `--json`: an array of LogLine."""
    from etl_core.control.run_logs import read_log
    from etl_core.control.runs import show_run

    if arguments.follow and context.output.json:
        raise InvalidInput("--follow prints lines as they come; --json is one document")
    if not (arguments.run.isascii() and arguments.run.isdigit() and len(arguments.run) < 19):
        raise NotFound(f"no run {arguments.run}; `etl-tui runs list JOB` shows those of a job")
    run_id = int(arguments.run)
    lines: list[LogLine] = []
    async with context.connection() as conn:
        while True:
            is_open = (await show_run(conn, run_id)).state.is_open
            after = lines[-1].id if lines else 0
            new = await read_log(conn, run_id, after=after, limit=AT_ONCE)
            if not context.output.json:
                _print(new, context)
            lines = [*lines, *new] if context.output.json else new or lines[-1:]
            if len(new) < AT_ONCE and not (arguments.follow and is_open):
                break
            if len(new) < AT_ONCE:
                context.output.flush()
                await asyncio.sleep(INTERVAL)
    if context.output.json:
        context.output.emit(lines)
    elif not lines:
        context.output.notice("it told nothing")
    return ExitCode.DONE


def _print(lines: list[LogLine], context: Context) -> None:
    for line in lines:
        level = "" if line.level == "info" else f"{line.level}: "
        context.output.line(f"{line.at.astimezone():%H:%M:%S}  {level}{one_line(line.message)}")
