"""The tap as a program: whether this worker runs it, what it discovers, how it is started."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from etl_core.errors import Permanent, SourceError, Transient
from etl_core.process import this_host
from etl_core.settings import ALLOW_TAPS
from etl_core.taps import find_tap
from workers.connectors.singer.config import SingerConfig
from workers.subprocesses.allowed import allowed_commands, find_allowed
from workers.subprocesses.environment import clean_environment
from workers.subprocesses.program import Order, Program, running

_MOST_CATALOG = 64 << 20


def find_program(tap: str) -> Path:
    """The program of an installed tap, or one that is named by its path.

    Raises:
        Permanent: it is not there, or this worker does not run it; says what to do.
    """
    if tap.startswith("/"):
        return find_allowed(tap)
    installed = find_tap(tap)
    if installed is None:
        raise Permanent(
            f"tap {tap} is not installed on {this_host()} for the worker's user: `etl-tui connectors install "
            f"{tap}` there"
        )
    if ALLOW_TAPS not in allowed_commands():
        try:
            return find_allowed(str(installed.program))
        except Permanent:
            raise Permanent(
                f"the worker on {this_host()} may not run {tap}: where it is started, add `{ALLOW_TAPS}` to "
                "ETL_ALLOW_COMMANDS (docs/singer.md)"
            ) from None
    _expect_trustworthy(installed.program)
    return installed.program


async def discover(
    program: Path, config: SingerConfig, folder: Path, settings: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """The tap's catalog.

    Raises:
        SourceError: it failed, or what it printed is no catalog.
    """
    printed = bytearray()
    async with start(program, config, folder, ["--config", str(settings), "--discover"], tell) as tap:
        async for lines in tap.lines():
            for line in lines:
                printed += line + b"\n"
            if len(printed) > _MOST_CATALOG:
                raise Permanent(f"{program} --discover printed more than {_MOST_CATALOG >> 20} MB")
        if error := await why_failed(tap):
            raise error
    try:
        catalog = json.loads(printed[max(printed.find(b"{"), 0) :])  # some greet first
    except ValueError:
        catalog = None
    if not isinstance(catalog, dict):
        raise Permanent(
            f"{program} --discover printed no catalog: a tap that cannot discover needs `catalog` in the "
            "configuration"
        )
    return catalog


def start(
    program: Path,
    config: SingerConfig,
    folder: Path,
    arguments: Sequence[str],
    tell: Callable[[str], None],
) -> AbstractAsyncContextManager[Program]:
    """Runs the tap with these arguments; `folder` goes with it."""
    return running(
        Order(
            program,
            [str(program), *arguments],
            {**clean_environment(), **config.environment},
            folder,
            config.time_limit_s,
            config.memory_mb,
        ),
        tell,
    )


async def why_failed(tap: Program) -> SourceError | None:
    """Once it has ended: what went wrong, if its exit code says that something did."""
    ending = await tap.ended()
    if (error := tap.why_failed(ending)) is not None:
        return error
    if ending.code:
        said = f"{tap.order.program} ended with exit code {ending.code}{tap.and_said()}"
        return Transient(said, retry_in_place=False)
    return None


def _expect_trustworthy(program: Path) -> None:
    """That nobody else could have put something in the tap's place."""
    for path in (program, program.parent, program.parent.parent):
        try:
            found = path.stat()
        except OSError:
            raise Permanent(f"{path} is gone: install the tap once more") from None
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            raise Permanent(
                f"{path} can be changed by other users, so it is not run: install the tap once more"
            )
