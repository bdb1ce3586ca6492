"""The command connector: runs a program, keeps its checkpoint, loads what it prints.

Rows are loaded while it runs; its checkpoint is taken when it has ended well. One that breaks off begins
again from the checkpoint that it had, so its rows come again: a key makes that change nothing.
"""

from __future__ import annotations

import builtins
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from etl_core.connector import (
    SINGLE_PARTITION,
    TRIAL_OPTION,
    Column,
    ExtractContext,
    Finding,
    Fragment,
    Page,
    Record,
    Stream,
)
from etl_core.errors import BadRecord, Permanent, SourceError
from etl_core.redact import HIDDEN
from etl_core.secret_values import mask
from etl_core.stored_state import read_state
from workers.connectors.command.checkpoint import Bookmark, Resume, read_checkpoint, write_checkpoint
from workers.connectors.command.config import CHECKPOINT_VARIABLE, TRIAL_VARIABLE, CommandConfig
from workers.connectors.command.rows import Gathering
from workers.subprocesses.allowed import find_allowed
from workers.subprocesses.environment import clean_environment
from workers.subprocesses.program import Order, Program, running
from workers.subprocesses.run_folder import make_run_folder

STREAM = "command"
"""Its checkpoint is one, whatever streams it prints."""


class CommandConnector:
    """A program on the workers' machines: a dlt or dbt script, a shell script, psql."""

    type: ClassVar[str] = "command"
    default_max_runs: ClassVar[int | None] = 1
    Config: ClassVar[builtins.type[BaseModel]] = CommandConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = Resume

    def __init__(self, config: CommandConfig) -> None:
        self.config = config

    async def check(self) -> Sequence[Finding]:
        """Whether it may and can be run here; it is not run, for nobody knows what it does."""
        program = self._program()
        self._expect_directory()
        return [
            Finding("program", "ok", f"{program} may be run here; workers have settings of their own"),
            Finding("what it does", "unknown", "it is not run for this", "`etl-tui jobs run` runs it"),
        ]

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        return [
            Stream(
                name,
                tuple(Column(column, kind) for column, kind in spec.columns.items()),
                spec.key,
                infer=True,
            )
            for name, spec in self.config.streams.items()
        ]

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        """Pages of what it prints; the last, if there is a new one, with its checkpoint."""
        before, _ = read_state(context, STREAM, SINGLE_PARTITION, Bookmark, Resume)
        program = self._program()
        self._expect_directory()
        folder = make_run_folder()
        file = folder / "checkpoint"
        write_checkpoint(file, before)
        began = time.monotonic()
        context.log.write(f"runs {program}")
        gathering = Gathering(tuple(self.config.streams))
        async with running(self._order(program, folder, file, context), context.log.write) as command:
            async for lines in command.lines():
                if not self.config.streams:
                    _log(lines, context)
                    continue
                for page in gathering.pages(lines):
                    yield page
            error = await self._why_failed(command)
            took = f"after {time.monotonic() - began:.1f} s"
            if error is not None:
                context.log.write(f"failed {took}", "error")
                raise error
            context.log.write(f"ended well {took}")
            after = read_checkpoint(file)
        if after in (None, before):
            if not gathering.is_empty:
                yield gathering.take()
            return
        assert after is not None  # noqa: S101 - looked at above
        bookmark = Fragment(STREAM, SINGLE_PARTITION, bookmark=after.model_dump())
        yield replace(gathering.take(), checkpoint=[bookmark])

    def transform(self, stream: Stream, record: Record) -> Record:
        """Records are rows already."""
        if "" in record:
            raise BadRecord("a field has no name")
        return record

    def _program(self) -> Path:
        """Raises Permanent: it may not, or cannot, be run here."""
        for place, argument in enumerate(self.config.argv):
            if mask(argument) == HIDDEN:  # it was a reference
                raise Permanent(
                    f"argv: argument {place} is a secret, and everybody on the machine can read it: name it "
                    "in `secrets`, and the command finds it in its environment"
                )
        return find_allowed(self.config.argv[0])

    def _expect_directory(self) -> None:
        directory = self.config.directory
        if directory is not None and not os.access(directory, os.X_OK):
            raise Permanent(f"directory {directory}: it is not there, or the worker cannot enter it")

    def _order(self, program: Path, folder: Path, checkpoint: Path, context: ExtractContext) -> Order:
        config = self.config
        secrets = {name: secret.get_secret_value() for name, secret in config.secrets.items()}
        ours = {CHECKPOINT_VARIABLE: str(checkpoint)}
        if TRIAL_OPTION in context.options:
            ours[TRIAL_VARIABLE] = "1"
        return Order(
            program,
            config.argv,
            {**clean_environment(), **config.environment, **secrets, **ours},
            folder,
            config.time_limit_s,
            config.memory_mb,
            Path(config.directory) if config.directory else None,
        )

    async def _why_failed(self, command: Program) -> SourceError | None:
        ending = await command.ended()
        if (error := command.why_failed(ending)) is not None:
            return error
        code = ending.code or 0
        name = command.order.program
        return self.config.exit_codes.error(code, f"{name} ended with exit code {code}{command.and_said()}")


def _log(lines: Sequence[bytes], context: ExtractContext) -> None:
    for line in lines:
        if text := line.decode("utf-8", "backslashreplace").rstrip():
            context.log.write(text)
