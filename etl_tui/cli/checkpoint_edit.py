"""`etl-tui checkpoint edit`: the document, a partition or one value in `$EDITOR`, or given on the line."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etl_core.errors import Conflict, EtlError, ExitCode, InvalidInput
from etl_tui.cli import checkpoint_repairs as repairs
from etl_tui.cli.output import escaped, one_line
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from etl_core.control.audit import Actor
    from etl_core.models.checkpoint import CurrentCheckpoint
    from etl_core.rules.checkpoints.paths import ValuePath
    from etl_core.rules.checkpoints.repairs import Repair
    from etl_core.store.database import Connection
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

RENEW_SECONDS = 300
"""How often the hold of an edit is renewed; it lasts three times as long."""


def add_command_to(group: Subparsers, refused: str) -> None:
    edit = add_command(
        group,
        "edit",
        edit_one,
        summary="edit it in $EDITOR: all of it, a partition, or one value",
        description="Opens the document in $VISUAL or $EDITOR, or only what PATH names (orders/default,\n"
        "orders/default.bookmark.updated_at). The job is held meanwhile. With --value or --remove no editor\n"
        "opens. All other values stay exactly as they are." + refused,
        example="etl-tui checkpoint edit acme/orders orders/default.bookmark.page --value 7 --reason test",
    )
    repairs.add_job(edit)
    edit.add_argument("path", metavar="PATH", nargs="?", help="as `checkpoint diff` shows paths")
    what = edit.add_mutually_exclusive_group()
    what.add_argument("--value", metavar="JSON", help="what stands there from now on")
    what.add_argument("--remove", action="store_true", help="take it out")
    repairs.add_change(edit)


async def edit_one(arguments: argparse.Namespace, context: Context) -> int:
    """`--json`: a RepairDone, or with `--dry-run` the plan."""
    from etl_core.control.audit import Actor
    from etl_core.control.checkpoints import read_checkpoint
    from etl_core.control.jobs import find_job
    from etl_core.rules.checkpoints.paths import parse_path
    from etl_core.rules.checkpoints.repairs import RemoveValue

    repairs.expect_reason(arguments)
    try:
        path = None if arguments.path is None else parse_path(arguments.path)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    if arguments.value is not None or arguments.remove:
        if path is None:
            raise InvalidInput("checkpoint edit: --value and --remove need a PATH")
        repair = RemoveValue(path) if arguments.remove else _value(path, arguments.value)
        return await repairs.change(arguments, context, repair, "edited")
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        actor = Actor.current()
        async with _held(conn, job_id, actor, context, dry_run=arguments.dry_run):
            current = await read_checkpoint(conn, job_id)
            if current.uneditable:
                raise Conflict(f"{current.job_name}: {current.uneditable}")
            edited = await _edit(current, path)
            if edited is None:
                context.output.line(f"{current.job_name}: nothing changed")
                return ExitCode.DONE
            file, repair = edited
            try:
                code = await repairs.change(
                    arguments, context, repair, "edited", conn=conn, expected_version=current.version
                )
            except EtlError:
                context.output.notice(f"what you wrote is in {file}")
                raise
            _forget(file)
            return code


async def _edit(current: CurrentCheckpoint, path: ValuePath | None) -> tuple[Path, Repair] | None:
    """The file that somebody edited and what it asks for; None: it is as it was."""
    from etl_core.control.checkpoints import parse_document
    from etl_core.rules.checkpoints.repairs import SetDocument

    before = escaped(_shown(current, path))
    file = _begin_file(before)
    while True:
        await _run_editor(file)
        text = _text_of(file)
        if text == before:
            _forget(file)
            return None
        try:
            return file, SetDocument(parse_document(text)) if path is None else _value(path, text)
        except InvalidInput as error:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise InvalidInput(f"{error}; what you wrote is in {file}") from None
            sys.stderr.write(f"{one_line(str(error))}\nenter edits it again, ctrl+c leaves it in {file} ")
            sys.stderr.flush()
            await asyncio.to_thread(sys.stdin.readline)


def _shown(current: CurrentCheckpoint, path: ValuePath | None) -> str:
    from etl_core.errors import NotFound
    from etl_core.rules.checkpoints.exact_json import dump
    from etl_core.rules.checkpoints.repairs import NoSuchPlace, value_at

    if path is None:
        return dump(current.document.as_json(current.version), indent=2) + "\n"
    try:
        return dump(value_at(current.document, path), indent=2) + "\n"
    except NoSuchPlace as error:
        raise NotFound(f"{current.job_name}: {error}") from None


def _begin_file(text: str) -> Path:
    handle, name = tempfile.mkstemp(prefix="checkpoint-", suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
    return Path(name)


def _text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _forget(file: Path) -> None:
    file.unlink(missing_ok=True)


def _value(path: ValuePath, text: str) -> Repair:
    from etl_core.rules.checkpoints.exact_json import BadJson, parse
    from etl_core.rules.checkpoints.repairs import EditValue

    try:
        return EditValue(path, parse(text))
    except BadJson as error:
        raise InvalidInput(f"the value cannot be taken: {error} (a text stands in quotes)") from None


async def _run_editor(file: Path) -> None:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        editor = await asyncio.create_subprocess_exec(*shlex.split(command), str(file))
    except (OSError, ValueError) as error:
        _forget(file)
        raise InvalidInput(f"$EDITOR ({command}) cannot be started: {error}") from None
    if await editor.wait() != 0:
        _forget(file)
        raise InvalidInput(f"$EDITOR ({command}) ended with code {editor.returncode}: nothing was changed")


@asynccontextmanager
async def _held(
    conn: Connection, job_id: int, actor: Actor, context: Context, *, dry_run: bool
) -> AsyncIterator[None]:
    """The job is held while its editor is open, longer than any single hold."""
    from etl_core.control.checkpoints import AlreadyHeld, begin_edit, end_edit, renew_edit

    if dry_run:
        yield
        return
    try:
        await begin_edit(conn, job_id, actor)
    except AlreadyHeld as error:
        context.output.notice(str(error))
        yield
        return

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            async with context.connection(check_schema=False) as own:
                await renew_edit(own, job_id, actor)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        await end_edit(conn, job_id, actor)
