"""`etl-tui workers`: who runs the jobs, and who is to run no more."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.quantities import count

if TYPE_CHECKING:
    from etl_core.models.dispatch import WorkerRow
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers


def register(subparsers: Subparsers) -> None:
    """Adds `workers list|drain|undrain`."""
    add_group(subparsers, "workers", "who runs the jobs; drain one for maintenance", _add_commands)


def _add_commands(group: Subparsers) -> None:
    add_command(
        group,
        "list",
        list_all,
        summary="workers alive or gone within the last hour, and what each does",
        example="etl-tui workers list",
    )
    drain = add_command(
        group,
        "drain",
        drain_one,
        summary="let a worker finish what it holds and take no more",
        description="The worker finishes what it holds and takes no more runs; it may then be stopped.",
        example="etl-tui workers drain 12",
    )
    drain.add_argument("id", metavar="ID", help="as `workers list` shows it")
    undrain = add_command(
        group,
        "undrain",
        undrain_one,
        summary="let a worker take runs again",
        example="etl-tui workers undrain 12",
    )
    undrain.add_argument("id", metavar="ID", help="as `workers list` shows it")


async def list_all(_: argparse.Namespace, context: Context) -> int:
    """Prints the workers, newest first; `--json`: an array of WorkerRow."""
    from etl_core.control.processes import list_workers

    async with context.connection() as conn:
        workers = await list_workers(conn, lost_after=context.settings.lease_timeout)
    if context.output.json:
        context.output.emit(workers)
    elif not workers:
        context.output.line("no workers within the last hour; `etl-worker` starts one")
    else:
        context.output.table(
            ("ID", "HOST", "PID", "VERSION", "STATE", "HEARTBEAT", "STAGES", "SLOTS", "WORKS ON"),
            [
                (
                    row.id,
                    row.host,
                    row.pid,
                    row.version,
                    _state(row),
                    f"{row.heartbeat_age_seconds:.0f} s ago",
                    ",".join(row.stages),
                    row.slots,
                    "; ".join(row.runs),
                )
                for row in workers
            ],
        )
    return ExitCode.DONE


async def drain_one(arguments: argparse.Namespace, context: Context) -> int:
    """Drains a worker; `--json`: its WorkerRow."""
    return await _drain(arguments.id, context, drain=True)


async def undrain_one(arguments: argparse.Namespace, context: Context) -> int:
    """Lets a worker work again; `--json`: its WorkerRow."""
    return await _drain(arguments.id, context, drain=False)


async def _drain(text: str, context: Context, *, drain: bool) -> int:
    from etl_core.control.audit import Actor
    from etl_core.control.processes import drain_worker, list_workers

    worker_id = count("workers", text)
    async with context.connection() as conn:
        await drain_worker(conn, worker_id, Actor.current(), drain=drain)
        workers = await list_workers(conn, lost_after=context.settings.lease_timeout)
    row = next(row for row in workers if row.id == worker_id)
    if context.output.json:
        context.output.emit(row)
        return ExitCode.DONE
    name = f"worker {row.id} ({row.host}, pid {row.pid})"
    if not drain:
        context.output.line(f"{name} takes runs again")
    elif row.runs:
        context.output.line(f"{name} takes no more runs; it still has {'; '.join(row.runs)}")
    else:
        context.output.line(f"{name} takes no more runs and holds none: it may be stopped")
    return ExitCode.DONE


def _state(row: WorkerRow) -> str:
    return f"draining for {row.draining_by}" if row.state == "draining" else row.state
