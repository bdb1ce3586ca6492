"""`etl-tui integrations test`: what works, what the credential may read, what is missing."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_core.models.trial import IntegrationTrial
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DESCRIPTION = """\
Asks the source, through the integration's connector, and changes nothing: what works, what the credential may
read, and what is missing. It asks from this machine, with the environment of this command: a secret that only
workers have is told, and then nothing is tried.
Exit code: 0 all well; 1 something failed, is missing or could not be tried; 5 the source did not answer."""


def register(group: Subparsers) -> None:
    """Adds `integrations test`."""
    test = add_command(
        group,
        "test",
        test_one,
        summary="what works, what the credential may read, what is missing",
        description=DESCRIPTION,
        example="etl-tui integrations test acme/app",
    )
    test.add_argument("name", metavar="[TENANT/]NAME", help="the integration; or TENANT NAME in two words")
    test.add_argument("second", metavar="NAME", nargs="?", help=argparse.SUPPRESS)
    test.add_argument("--timeout", default="30", metavar="S", help="seconds to wait at most; default: 30")


async def test_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints a line per finding; `--json`: an IntegrationTrial."""
    from etl_core.control.integration_trial import find_integration, try_integration
    from etl_core.models.trial import Outcome

    timeout_s = _seconds(arguments.timeout)
    words = [arguments.name, arguments.second]
    context.silence_logs()
    async with context.connection() as conn:
        row = await find_integration(conn, "/".join(filter(None, words)), tenant=context.settings.tenant)
    trial = await try_integration(row, timeout_s=timeout_s)
    if context.output.json:
        context.output.emit(trial)
    else:
        _tell(trial, context)
    return {Outcome.OK: ExitCode.DONE, Outcome.UNREACHABLE: ExitCode.UNREACHABLE}.get(
        trial.outcome, ExitCode.FAILED
    )


def _tell(trial: IntegrationTrial, context: Context) -> None:
    width = shutil.get_terminal_size().columns if context.output.is_terminal else None
    named = f"{trial.tenant}/{trial.integration}"
    context.output.line(one_line(f"{named}, type {trial.type}, asked from {trial.host}: {trial.outcome}"))
    for finding in trial.findings:
        told = _wrapped(f"{finding.what}: {finding.detail}", f"{finding.state:<7}  ", width)
        for line in told + (_wrapped(finding.remedy, f"{'':9}-> ", width) if finding.remedy else []):
            context.output.line(line)


def _wrapped(text: str, before: str, width: int | None) -> list[str]:
    """On a terminal within its width, below where the text begins; else a line, for programs that read it."""
    line = before + one_line(text)
    if width is None or len(line) <= width:
        return [line]
    return textwrap.wrap(line, max(width, 40), subsequent_indent=" " * len(before), break_on_hyphens=False)


def _seconds(text: str) -> float:
    """Raises InvalidInput: no number of seconds between 1 and 600."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 600:
        raise InvalidInput(f"--timeout {text!r}: give seconds, 1 to 600")
    return seconds
