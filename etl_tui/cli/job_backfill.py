"""`etl-tui jobs backfill`: a job once over a range of its bookmark, which stays where it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput
from etl_tui.cli import job_run
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_core.models.backfill import BackfillRequest
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

BACKFILL = """\
Reads a range again that the job's bookmark has passed, or has not come to: by time, or by key where the
source goes by one. The range begins with --from and ends before --to; a time is a date, a date with a time of
this terminal's zone, `now`, or so long ago (7d). The job's bookmark and its next time stay; while the
backfill runs the job does not. Nothing is ever marked deleted. One that is killed goes on where it was."""


def register(group: Subparsers) -> None:
    """Adds `jobs backfill`."""
    backfill = add_command(
        group,
        "backfill",
        backfill_one,
        summary="read a range of a job's source again, beside its bookmark",
        description=BACKFILL,
        example='etl-tui jobs backfill acme/Jira --from 2026-01-01 --to "2026-02-01 06:00" --rate 200 --wait',
    )
    backfill.add_argument("job", metavar="JOB", help="its id, or TENANT/JOB_NAME")
    backfill.add_argument("--from", dest="start", required=True, metavar="X", help="where the range begins")
    backfill.add_argument(
        "--to", dest="end", required=True, metavar="Y", help="where it ends: not part of it"
    )
    backfill.add_argument(
        "--stream", dest="streams", action="append", metavar="S", help="only this stream; may be repeated"
    )
    backfill.add_argument(
        "--rate",
        type=job_run.positive,
        metavar="N",
        help="records a second at most (default: as the source gives them)",
    )
    backfill.add_argument("--wait", action="store_true", help="show its progress and end with it")


async def backfill_one(arguments: argparse.Namespace, context: Context) -> int:
    """Starts a backfill; `--json`: its RunRow, with --wait as it ended."""
    from etl_core.control.audit import Actor
    from etl_core.control.backfills import start_backfill
    from etl_core.control.jobs import find_job, read_job

    request = _request(arguments)
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        run = await start_backfill(conn, job_id, request, Actor.current())
        job = await read_job(conn, job_id)
        name = f"{job.tenant}/{job.job_name}"
        if arguments.wait:
            return await job_run.wait_for_end(conn, run, name, context.output)
        if context.output.json:
            context.output.emit(run)
        else:
            context.output.line(one_line(f"{name}: run {run.id} is queued; `etl-tui runs show {run.id}`"))
        await job_run.tell_who_is_missing(conn, run, context.output)
    return ExitCode.DONE


def _request(arguments: argparse.Namespace) -> BackfillRequest:
    from pydantic import ValidationError

    from etl_core.models.backfill import BackfillRequest
    from etl_core.validation_text import describe

    try:
        return BackfillRequest(
            start=arguments.start, end=arguments.end, streams=arguments.streams, rate=arguments.rate
        )
    except ValidationError as error:
        raise InvalidInput(describe(error).removeprefix("value: ")) from None
