"""`etl-tui secrets`: where secrets are kept, and keys for those that are kept encrypted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command, add_group

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

ROTATE = """\
Brings every encrypted secret under the first key of ETL_SECRET_KEY, in one transaction. To replace a key: put
the new one first (ETL_SECRET_KEY=NEW,OLD) where workers and commands run, rotate, take the old one out."""


def register(subparsers: Subparsers) -> None:
    """Adds `secrets list|rotate|key`."""
    add_group(
        subparsers, "secrets", "where secrets are kept; keys for those that are encrypted", _add_commands
    )


def _add_commands(group: Subparsers) -> None:
    listing = add_command(
        group,
        "list",
        list_all,
        summary="each secret of each integration, where it is kept; never its value",
        example="etl-tui secrets list --tenant acme",
    )
    listing.add_argument(
        "--tenant", metavar="NAME", help="only this tenant's (default: ETL_TENANT, else all)"
    )
    add_command(
        group,
        "rotate",
        rotate,
        summary="encrypt everything under the first key",
        description=ROTATE,
        example="ETL_SECRET_KEY=NEW,OLD etl-tui secrets rotate",
    )
    add_command(
        group,
        "key",
        new,
        summary="a new key for ETL_SECRET_KEY; it is kept nowhere",
        example="etl-tui secrets key",
    )


async def list_all(arguments: argparse.Namespace, context: Context) -> int:
    """Prints where each secret is kept; `--json`: an array of SecretRow."""
    from etl_core.control.secrets import list_secrets

    async with context.connection() as conn:
        found = await list_secrets(conn, tenant=arguments.tenant or context.settings.tenant)
    if context.output.json:
        context.output.emit(found)
    elif not found:
        context.output.line("no integration has a secret")
    else:
        context.output.table(
            ("INTEGRATION", "FIELD", "KEPT", "KEY"),
            [
                (
                    f"{row.tenant}/{row.integration}",
                    row.field,
                    row.kept,
                    (row.key or "none that is here") if row.kept == "encrypted" else None,
                )
                for row in found
            ],
        )
    return ExitCode.DONE


async def rotate(_: argparse.Namespace, context: Context) -> int:
    """Brings everything under the first key; `--json`: the Rotation."""
    from etl_core.control.audit import Actor
    from etl_core.control.secrets import rotate_secrets

    async with context.connection() as conn:
        done = await rotate_secrets(conn, actor=Actor.current())
    if context.output.json:
        context.output.emit(done)
    elif done.secrets:
        context.output.line(
            f"{done.secrets} secrets of {done.integrations} integrations are under the first key now"
        )
    else:
        context.output.line("everything encrypted is under the first key already")
    return ExitCode.DONE


async def new(_: argparse.Namespace, context: Context) -> int:
    """Prints a new key; `--json`: {"key": ...}."""
    from etl_core.secret_box import new_key

    key = new_key()
    if context.output.json:
        context.output.emit({"key": key})
    else:
        context.output.line(key)
    return ExitCode.DONE
