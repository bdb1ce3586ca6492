"""`etl-tui runs compare`: in what two runs differ, and what was done to the job between them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers


def register(group: Subparsers) -> None:
    """Adds `runs compare`."""
    compare = add_command(
        group,
        "compare",
        compare_two,
        summary="two runs beside each other, and what was changed between them",
        example="etl-tui runs compare 5077 5120",
    )
    compare.add_argument("run", metavar="RUN", help="its number")
    compare.add_argument("other", metavar="OTHER", help="the other one's; the older is shown first")


async def compare_two(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the differences; `--json`: a RunComparison."""
    from etl_core.control.run_statistics import compare_runs
    from etl_core.rules.moments import moment_text
    from etl_tui.cli.runs import run_number

    one, other = run_number(arguments.run), run_number(arguments.other)
    async with context.connection() as conn:
        found = await compare_runs(conn, one, other)
    if context.output.json:
        context.output.emit(found)
        return ExitCode.DONE
    a, b = found.a, found.b
    context.output.line(f"{a.tenant}/{a.job_name}" if a.job_id == b.job_id else "runs of two jobs")
    if found.differences:
        context.output.table(
            ("", f"RUN {a.id}", f"RUN {b.id}", "CHANGE"),
            [(row.what, row.a, row.b, row.change) for row in found.differences],
        )
    else:
        context.output.line("they differ in nothing but their times")
    if found.changed_between:
        context.output.line()
        context.output.table(
            ("BETWEEN THEM", "BY", "WHAT"),
            [(moment_text(event.at), event.actor, event.sentence) for event in found.changed_between],
        )
    return ExitCode.DONE
