"""`etl-tui db migrate | status | rollback`: the schema of the state database."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl_core.store.migrations import Applied
    from etl_tui.cli.context import Context


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `db` and what it can do."""
    db = subparsers.add_parser("db", help="migrate the state database, look at its schema, go back")
    commands = db.add_subparsers(title="commands", metavar="COMMAND", required=True)

    up = commands.add_parser(
        "migrate",
        help="apply pending migrations",
        description="Applies pending migrations, each in one transaction. Lists the rows that it mended.",
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
    up.set_defaults(handler=migrate)

    state = commands.add_parser("status", help="list migrations and whether they are applied")
    state.set_defaults(handler=status)

    down = commands.add_parser(
        "rollback",
        help="take migrations back (default: the newest one)",
        description="Takes migrations back, newest first. Refused while a run is open or a process alive.",
    )
    down.add_argument("--to", type=int, metavar="N", help="take back what is newer than this version")
    down.add_argument("--discard", action="store_true", help="give up what the older schema cannot hold")
    down.set_defaults(handler=rollback)


async def migrate(args: argparse.Namespace, context: Context) -> int:
    from etl_core.store import migrations

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
