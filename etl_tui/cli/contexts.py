"""`etl-tui contexts`: the named databases of the settings file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command, add_group

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers


def register(subparsers: Subparsers) -> None:
    """Adds `contexts list`."""
    add_group(subparsers, "contexts", "the named databases of the settings file", _add_commands)


def _add_commands(group: Subparsers) -> None:
    add_command(
        group,
        "list",
        list_all,
        summary="all contexts, and which is in use",
        description="The [contexts.NAME] of the settings file, and which one is in use. Nothing is\n"
        "connected to; passwords are not shown.",
        example="etl-tui contexts list",
    )


async def list_all(_: argparse.Namespace, context: Context) -> int:
    """Prints every context; `--json`: an array of objects with `name`, `in_use`, `database`, `tenant`,
    `colour`, `production` and `read_only`."""
    from etl_core.redact import redact_url

    settings = context.settings
    listed = [
        {
            "name": name,
            "in_use": name == settings.context,
            "database": found.shown_address,
            "tenant": found.tenant,
            "colour": found.colour,
            "production": found.production,
            "read_only": found.read_only,
        }
        for name, found in settings.contexts.items()
    ]
    if context.output.json:
        context.output.emit(listed)
        return ExitCode.DONE
    if listed:
        context.output.table(
            ("", "CONTEXT", "DATABASE", "TENANT", "MARKS"),
            [
                (
                    "*" if row["in_use"] else "",
                    row["name"],
                    row["database"],
                    row["tenant"],
                    ", ".join(
                        word
                        for word, holds in (
                            ("production", row["production"]),
                            ("read-only", row["read_only"]),
                        )
                        if holds
                    ),
                )
                for row in listed
            ],
        )
    else:
        context.output.line("no contexts; [contexts.NAME] with a database_url in the settings file makes one")
    if settings.context is None:
        url = settings.database_url
        where = redact_url(url.get_secret_value()) if url else "the embedded server"
        context.output.line(f"none of them is in use, but {where}")
    return ExitCode.DONE
