"""`etl-tui checkpoint`: where a job stands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command, add_group

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

_JOB = "its id, or TENANT/JOB_NAME"


def register(subparsers: Subparsers) -> None:
    """Adds `checkpoint show|clear`."""
    add_group(subparsers, "checkpoint", "show and clear where a job stands", _add_commands)


def _add_commands(group: Subparsers) -> None:
    show = add_command(
        group,
        "show",
        show_one,
        summary="the checkpoint of a job, as JSON",
        example="etl-tui checkpoint show acme/airports",
    )
    show.add_argument("job", metavar="JOB", help=_JOB)
    clear = add_command(
        group,
        "clear",
        clear_one,
        summary="forget where a job stands: its next run reads everything again",
        description="Forgets where a job stands, so that its next run reads everything again. Data that is\n"
        "loaded stays: records with a key are compared, not doubled; without one they are appended again.",
        example='etl-tui checkpoint clear acme/airports --reason "key changed to iata"',
    )
    clear.add_argument("job", metavar="JOB", help=_JOB)
    clear.add_argument(
        "--reason", required=True, metavar="TEXT", help="kept with the version and in the audit"
    )


async def show_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the document, with and without `--json`; null when there is none."""
    from etl_core.control.jobs import find_job, show_job

    async with context.connection() as conn:
        job = await show_job(conn, await find_job(conn, arguments.job, tenant=context.settings.tenant))
    context.output.emit(job.checkpoint_data)
    return ExitCode.DONE


async def clear_one(arguments: argparse.Namespace, context: Context) -> int:
    """Clears it; `--json`: {job_id, version}."""
    from etl_core.control import checkpoints
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import find_job
    from etl_core.rules.checkpoints.repairs import Clear

    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        done = await checkpoints.repair(conn, job_id, Clear(), Actor.current(), reason=arguments.reason)
    if context.output.json:
        context.output.emit({"job_id": job_id, "version": done.version})
    else:
        context.output.line(
            f"{arguments.job}: checkpoint cleared (v{done.version}); the next run reads everything again"
        )
    return ExitCode.DONE
