"""`etl-tui runs log`: what a run told of itself."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from etl_core.errors import ExitCode, InvalidInput
from etl_core.run_log import LEVELS
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command
from etl_tui.cli.quantities import count

if TYPE_CHECKING:
    from etl_core.models.run import LogLine
    from etl_core.store.database import Connection
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

INTERVAL = 0.5
"""Seconds between two looks of `--follow`."""
LOOKS_AFTER_THE_END = 4
"""Lines come a fraction of a second after they were told; the last one says that the run has ended."""
AT_ONCE = 10_000
"""Lines."""


def register(group: Subparsers) -> None:
    """Adds `runs log`."""
    log = add_command(
        group,
        "log",
        show_log,
        summary="what a run told: its workers' milestones, the output of a command or of a Singer tap",
        example="etl-tui runs log 5120 --follow --level warning",
    )
    log.add_argument("run", metavar="RUN", help="its number")
    log.add_argument("--follow", action="store_true", help="go on until the run has ended")
    log.add_argument("--level", choices=LEVELS, help="only lines of this level, and graver ones")
    log.add_argument("--grep", metavar="TEXT", help="only lines in which this stands, in any case")
    log.add_argument("--tail", metavar="N", help="begin with the last N lines")


async def show_log(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the lines of a run; `--json`: an array of LogLine."""
    from etl_core.control.run_logs import read_log, read_log_end
    from etl_core.control.runs import show_run
    from etl_tui.cli.runs import run_number

    if arguments.follow and context.output.json:
        raise InvalidInput("--follow prints lines as they come; --json is one document")
    tail = None if arguments.tail is None else count("--tail", arguments.tail)
    run_id = run_number(arguments.run)
    chosen: dict[str, Any] = {"level": arguments.level, "text": arguments.grep}
    async with context.connection() as conn:
        await show_run(conn, run_id)
        if tail is not None:
            lines = await read_log_end(conn, run_id, limit=min(tail, AT_ONCE), **chosen) if tail else []
        else:
            lines = await read_log(conn, run_id, limit=AT_ONCE, **chosen)
            while lines and len(lines) % AT_ONCE == 0:
                more = await read_log(conn, run_id, after=lines[-1].id, limit=AT_ONCE, **chosen)
                if not more:
                    break
                lines += more
        if context.output.json:
            context.output.emit(lines)
            return ExitCode.DONE
        _print(lines, context)
        told = bool(lines)
        if arguments.follow:
            after = lines[-1].id if lines else 0
            if tail == 0:
                after = max((line.id for line in await read_log_end(conn, run_id, limit=1)), default=0)
            told = await _follow(conn, run_id, after, chosen, context) or told
    if not told:
        context.output.notice("no line matches" if any(chosen.values()) else "it told nothing")
    return ExitCode.DONE


async def _follow(
    conn: Connection, run_id: int, after: int, chosen: dict[str, Any], context: Context
) -> bool:
    """Prints what comes behind line `after` until the run has ended; whether anything came."""
    from etl_core.control.run_logs import read_log, read_log_end
    from etl_core.control.runs import show_run

    told = False
    left = LOOKS_AFTER_THE_END
    while left:
        is_open = (await show_run(conn, run_id)).state.is_open
        new = await read_log(conn, run_id, after=after, limit=AT_ONCE, **chosen)
        _print(new, context)
        told = told or bool(new)
        last = await read_log_end(conn, run_id, limit=1)
        if new:
            after = new[-1].id
        if not is_open:
            has_end = bool(last) and last[-1].message == "run ended"
            left = 0 if has_end and not new else left - 1
        context.output.flush()
        if left:
            await asyncio.sleep(INTERVAL)
    return told


def _print(lines: list[LogLine], context: Context) -> None:
    from etl_core.rules.log_text import line_text

    for line in lines:
        level = "" if line.level == "info" else f"{line.level}: "
        text = one_line(line_text(line.message, line.fields))
        context.output.line(f"{line.at.astimezone():%H:%M:%S}  {level}{text}")
