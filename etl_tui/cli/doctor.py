"""`etl-tui doctor`: what works, what does not, and what to do."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from typing import TYPE_CHECKING

from etl_core.errors import EtlError, ExitCode
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_core.models.check import Check
    from etl_core.settings import Settings
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers


def register(subparsers: Subparsers) -> None:
    """Adds `doctor`."""
    add_command(
        subparsers,
        "doctor",
        examine,
        summary="look at this machine, the database, the broker, processes and jobs",
        description="Looks at everything and changes nothing; says what to do about what it finds.\n"
        "Exit code: 0 when nothing failed, else 1.",
        example="etl-tui doctor --json",
    )


async def examine(_: argparse.Namespace, context: Context) -> int:
    """Prints a line per check; `--json`: an array of Check."""
    from etl_core.models.check import CheckStatus
    from etl_tui.cli.machine_checks import check_machine

    checks = list(check_machine())
    try:
        settings = context.settings
    except EtlError:
        pass  # told by the check of the settings; the services cannot be found without
    else:
        checks += await _check_services(settings)
    if context.output.json:
        context.output.emit(checks)
    else:
        for check in checks:
            context.output.line(f"{check.status:<4}  {one_line(f'{check.check}: {check.detail}')}")
            if check.remedy:
                context.output.line(f"      -> {one_line(check.remedy)}")
    return ExitCode.FAILED if any(check.status == CheckStatus.FAIL for check in checks) else ExitCode.DONE


def _silence_logs() -> None:
    """The broker's own warnings would go to stdout; what they say, the check of the broker says."""
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _check_services(settings: Settings) -> list[Check]:
    from etl_core.control import doctor
    from etl_core.models.check import Check, CheckStatus
    from etl_core.store.database import connect
    from etl_core.store.location import database_location

    if settings.amqp_url is not None:
        _silence_logs()
    checks: list[Check] = []
    try:
        async with database_location(settings) as url:
            conn = await connect(url, application_name="etl-tui doctor")
            try:
                checks += await doctor.check_server(conn)
                schema = await doctor.check_schema_state(conn)
                checks.append(schema)
                checks.append(await doctor.check_broker(settings, url))
                if schema.status == CheckStatus.OK:
                    checks += await doctor.check_processes(conn, lost_after=settings.lease_timeout)
                    checks += await doctor.check_jobs(conn)
            finally:
                await asyncio.shield(conn.close())
    except EtlError as error:
        checks.append(Check.fail("database", str(error), "mend this first: all else is in there"))
        checks.append(await doctor.check_broker(settings, ""))
    return checks
