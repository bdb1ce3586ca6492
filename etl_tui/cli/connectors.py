"""`etl-tui connectors`: the kinds of systems that integrations can read from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli import connectors_install, connectors_new, connectors_try
from etl_tui.cli.parser import add_command, add_group

if TYPE_CHECKING:
    from etl_core.models.connector import ConnectorRow
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

_STREAMS_NAMED = 3
"""Of a connector, in the table."""


def register(subparsers: Subparsers) -> None:
    """Adds the group `connectors`; a command with a file of its own is registered at the end."""
    add_group(subparsers, "connectors", "the installed integration types, and how to add one", _add_commands)


def _add_commands(group: Subparsers) -> None:
    add_command(
        group,
        "list",
        list_all,
        summary="the installed integration types and the packages that bring them",
        example="etl-tui connectors list",
    )
    connectors_new.register(group)
    connectors_try.register(group)
    connectors_install.register(group)


async def list_all(_: argparse.Namespace, context: Context) -> int:
    """Prints the connectors; `--json`: an array of ConnectorRow. Exit code 1 if one cannot be loaded."""
    from etl_core.connectors_registry import installed_connectors

    connectors = list(installed_connectors())
    if context.output.json:
        context.output.emit(connectors)
    else:
        context.output.table(
            ("TYPE", "FROM", "AT ONCE", "STREAMS", "WHAT IT IS"),
            [
                (
                    row.type,
                    f"{row.package or '?'} {row.version or ''}".rstrip(),
                    None if row.error else (row.default_max_runs or "no limit"),
                    _shortened(row.streams),
                    _told(row),
                )
                for row in connectors
            ],
        )
    return ExitCode.FAILED if any(row.error for row in connectors) else ExitCode.DONE


def _told(row: ConnectorRow) -> str:
    if row.error:
        return f"cannot be loaded: {row.error}"
    return f"{row.summary} (licence: {row.licence})" if row.licence else row.summary


def _shortened(streams: Sequence[str]) -> str | None:
    """The first of them, and how many more there are; `--json` has all."""
    named = ", ".join(streams[:_STREAMS_NAMED])
    more = len(streams) - _STREAMS_NAMED
    return f"{named}, {more} more" if more > 0 else named or None
