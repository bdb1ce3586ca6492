"""`etl-tui rejects correct`: another record in the place of a rejected one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput, NotFound
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers


def register(group: Subparsers) -> None:
    """Adds `rejects correct`."""
    correct = add_command(
        group,
        "correct",
        correct_one,
        summary="put a corrected record in the place of a rejected one",
        description="Reads the record, one JSON object, from --file or standard input; `rejects show ID\n"
        "--json` has the one to start from, as `payload`. The audit keeps both; `rejects replay` loads it.",
        example="etl-tui rejects show 12 --json | jq '.payload | .amount = 3' | etl-tui rejects correct 12",
    )
    correct.add_argument("id", metavar="ID", help="as `rejects list` shows it")
    correct.add_argument("--file", metavar="F", help="where the record is (default: standard input)")
    correct.add_argument("--reason", metavar="TEXT", help="kept in the audit")
    correct.add_argument("--dry-run", action="store_true", help="only see whether it can be read")


async def correct_one(arguments: argparse.Namespace, context: Context) -> int:
    """Corrects a reject; `--json`: its RejectDetails."""
    from etl_core.control.audit import Actor
    from etl_core.control.rejects import correct_reject, parse_record, show_reject

    if not (arguments.id.isascii() and arguments.id.isdigit() and len(arguments.id) < 19):
        raise NotFound(f"no reject {arguments.id}; `etl-tui rejects list JOB` shows those of a job")
    reject_id = int(arguments.id)
    text = _read(arguments.file)
    async with context.connection() as conn:
        if arguments.dry_run:
            parse_record(text)
            reject = await show_reject(conn, reject_id)
        else:
            reject = await correct_reject(conn, reject_id, text, Actor.current(), reason=arguments.reason)
    if context.output.json:
        context.output.emit(reject)
        return ExitCode.DONE
    name = f"{reject.tenant}/{reject.job_name}"
    if arguments.dry_run:
        context.output.line(f"would correct reject {reject_id} of {name}, stream {reject.stream}")
    else:
        loads = f"etl-tui rejects replay {name} --id {reject_id}"
        context.output.line(f"reject {reject_id} of {name} is corrected; `{loads}` loads it")
    return ExitCode.DONE


def _read(file: str | None) -> str:
    """Raises InvalidInput: the file cannot be read, or is no text."""
    try:
        return sys.stdin.read() if file in (None, "-") else Path(str(file)).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file or 'standard input'}: {error}") from None
