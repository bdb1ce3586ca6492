"""How a command ends badly: one line on stderr and an exit code, never a traceback for its reader."""

from __future__ import annotations

import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from etl_core.errors import EtlError, ExitCode
from etl_core.secret_values import mask
from etl_tui.cli.context import WENT_AWAY
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import PROGRAM

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
READER_GONE = 141
"""128 + SIGPIPE: `etl-tui jobs list | head -1`."""


def report(error: BaseException, command: str) -> int:
    """Tells of the error on stderr and returns the exit code.

    What nobody expected is written with its traceback to a log file that the line names; `command` is the
    command's name without its arguments, which may hold what must not be written down.
    """
    expected = _expected(error)
    if expected is not None:
        line, code = expected
        sys.stderr.write(f"{PROGRAM}: {one_line(mask(line))}\n")
        return code
    if os.environ.get("ETL_LOG_LEVEL", "").lower() == "debug":
        sys.stderr.write(_traceback(error))
    told = one_line(mask(f"{type(error).__name__}: {error}"))
    try:
        where = f"the traceback is in {_write_down(error, command)}"
    except OSError as refusal:
        where = f"set ETL_LOG_LEVEL=debug to see the traceback (no log file: {refusal})"
    sys.stderr.write(f"{PROGRAM}: unexpected {told}; {one_line(where)}\n")
    return ExitCode.FAILED


def _expected(error: BaseException) -> tuple[str, int] | None:
    """The line and the code of what a person can mend; None for a defect."""
    if isinstance(error, EtlError):
        return str(error), error.exit_code
    asyncpg = sys.modules.get("asyncpg")  # not imported yet: it cannot be one of its errors
    if asyncpg is None:
        return None
    gone = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)
    told = (
        (
            gone,
            WENT_AWAY,
            ExitCode.UNREACHABLE,
        ),
        (asyncpg.InsufficientPrivilegeError, "the database role may not do this; grant it", ExitCode.FAILED),
        (
            asyncpg.ReadOnlySQLTransactionError,
            "the database is read-only; name the primary",
            ExitCode.CONFLICT,
        ),
        (asyncpg.LockNotAvailableError, "somebody else holds it; try again", ExitCode.CONFLICT),
        (asyncpg.DeadlockDetectedError, "somebody else works on the same; try again", ExitCode.CONFLICT),
    )
    for kinds, line, code in told:
        if isinstance(error, kinds):
            return f"{line} ({error})", code
    return None


def _write_down(error: BaseException, command: str) -> Path:
    import platformdirs

    from etl_core import __version__

    path = platformdirs.user_state_path("etl-tui") / "errors.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as log:
        log.write(f"\n{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {PROGRAM} {__version__}  {command}\n")
        log.write(_traceback(error))
    return path


def _traceback(error: BaseException) -> str:
    """Without the values of variables, and without secrets that this process has read."""
    return mask("".join(traceback.format_exception(error)))
