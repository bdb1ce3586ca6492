"""`etl-tui db migrate | status | rollback`: the schema of the state database."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etl_tui.cli.parser import Subparsers, add_command, add_group

if TYPE_CHECKING:
    from etl_core.store.migrations import Applied
    from etl_tui.cli.context import Context


def register(subparsers: Subparsers) -> None:
    """Adds `db` and what it can do."""
    add_group(subparsers, "db", "the schema of the state database: migrate, look, go back", _add_commands)


def _add_commands(commands: Subparsers) -> None:
    up = add_command(
        commands,
        "migrate",
        migrate,
        summary="apply pending migrations",
        description="Applies pending migrations, each in one transaction. Lists the rows that it mended.",
        example="etl-tui db migrate --legacy-timezone Europe/Berlin",
    )
    up.add_argument("--to", type=int, metavar="N", help="stop at this version (default: the newest)")
    up.add_argument(
        "--legacy-timezone",
        default="UTC",
        metavar="ZONE",
        help="zone of the legacy system's times, like Europe/Berlin (default: UTC)",
    )
    up.add_argument(
        "--baseline",
        type=int,
        metavar="N",
        help="adopt the tables of a legacy database as migrations 1 to N (4: all of them)",
    )

    add_command(
        commands,
        "status",
        status,
        summary="list migrations and whether they are applied",
        example="etl-tui db status --json",
    )

    down = add_command(
        commands,
        "rollback",
        rollback,
        summary="take migrations back (default: the newest one)",
        description="Takes migrations back, newest first. Refused while a run is open or a process alive.",
        example="etl-tui db rollback --to 5",
    )
    down.add_argument("--to", type=int, metavar="N", help="take back what is newer than this version")
    down.add_argument("--discard", action="store_true", help="give up what the older schema cannot hold")


async def migrate(args: argparse.Namespace, context: Context) -> int:
    from etl_core.store import migrations

    context.refuse_when_read_only()
    async with context.connection(check_schema=False) as conn:
        done = await migrations.migrate(
            conn, to=args.to, legacy_timezone=args.legacy_timezone, baseline=args.baseline
        )
    _tell(context, done, nothing="nothing to do: the schema is up to date")
    return 0


async def status(args: argparse.Namespace, context: Context) -> int:
    del args
    from etl_core.store import migrations

    async with context.connection(check_schema=False) as conn:
        listed = await migrations.status(conn)
    if context.output.json:
        context.output.emit(listed)
        return 0
    context.output.table(
        ["VERSION", "NAME", "STATE", "APPLIED AT"],
        [
            [
                f"{migration.version:04}",
                migration.name,
                migration.state,
                migration.applied_at and migration.applied_at.isoformat(" ", "seconds"),
            ]
            for migration in listed
        ],
    )
    return 0


async def rollback(args: argparse.Namespace, context: Context) -> int:
    from etl_core.store import migrations

    context.refuse_when_read_only()
    async with context.connection(check_schema=False) as conn:
        to = args.to
        if to is None:
            in_force = [m.version for m in await migrations.status(conn) if m.state != "pending"]
            to = max(in_force, default=0) - 1 if in_force else 0
        done = await migrations.rollback(
            conn, to=to, discard=args.discard, alive_within=context.settings.lease_timeout
        )
    _tell(context, done, nothing=f"nothing to do: the schema is not newer than {to}")
    return 0


def _tell(context: Context, done: Sequence[Applied], *, nothing: str) -> None:
    """Prints the steps taken and what they reported."""
    if context.output.json:
        context.output.emit(done)
        return
    if not done:
        context.output.line(nothing)
    for step in done:
        context.output.line(f"{step.version:04} {step.name}: {step.state} ({step.duration_ms} ms)")
        for notice in step.notices:
            context.output.line(f"     {notice}")
