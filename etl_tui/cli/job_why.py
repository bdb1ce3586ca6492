"""`etl-tui jobs why`: why a job is not running, in one line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

_REMEDIES = {
    "off": "`etl-tui jobs enable {job}` switches it on",
    "no_integration": "`etl-tui jobs settings {job} --integration NAME` gives it one",
    "held": "`etl-tui jobs run {job}` tries it, `etl-tui jobs clear {job}` ends the hold",
    "snoozed": "`etl-tui jobs snooze {job} off` ends it",
    "paused": "`etl-tui pause --list` shows where, `etl-tui resume` ends it",
    "blackout": "`etl-tui windows list` shows it, `etl-tui jobs run {job}` starts it all the same",
    "busy": "`etl-tui limits list` shows the limits",
    "no_scheduler": "start one with `etl-scheduler`",
    "no_worker": "start one with `etl-worker`",
    "draining": "`etl-tui workers list` shows them, `etl-tui workers undrain ID` lets one work again",
    "no_slot": "`etl-tui workers list` shows what they do; start one more with `etl-worker`",
}
"""What ends it, by its kind; said beside the answer, on stderr."""


def register(group: Subparsers) -> None:
    """Adds `jobs why`."""
    why = add_command(
        group,
        "why",
        why_one,
        summary="why a job is not running, in one line",
        description="The first thing that must change before the job runs; with a remark on what ends it.\n"
        "--json prints {job, why, kind, until}.",
        example="etl-tui jobs why acme/GitHub",
    )
    why.add_argument("job", metavar="JOB", help="its id, or TENANT/JOB_NAME")


async def why_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints one line; `--json`: {job, why, kind, until}."""
    from etl_core.control.feed import JobFeed
    from etl_core.control.jobs import find_job, read_job
    from etl_core.rules.why import why

    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        job = await read_job(conn, job_id)
        health = await JobFeed(conn).read_health()
    answer = why(job, health, health.now.astimezone())
    name = f"{job.tenant}/{job.job_name}"
    if context.output.json:
        context.output.emit({"job": name, "why": answer.text, "kind": answer.kind, "until": answer.until})
        return ExitCode.DONE
    context.output.fields([(name, answer.text)])
    if remedy := _REMEDIES.get(answer.kind):
        context.output.notice(remedy.format(job=name))
    return ExitCode.DONE
