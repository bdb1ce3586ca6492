"""`etl-tui queues`: what waits for each stage, in the database and at the broker."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.queues_dead import register_dead

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers


def register(subparsers: Subparsers) -> None:
    """Adds `queues list|dead`."""
    add_group(subparsers, "queues", "what waits for each stage", _add_commands)


def _add_commands(group: Subparsers) -> None:
    add_command(
        group,
        "list",
        list_all,
        summary="ready rows per stage, the age of the oldest, and what the broker holds",
        description="What waits for each stage. The rows are the truth; a message is only a ring that says\n"
        "look now. Without RabbitMQ the rows are the queue, and nothing is said of a broker.",
        example="etl-tui queues list",
    )
    register_dead(group)


async def list_all(_: argparse.Namespace, context: Context) -> int:
    """Prints a row per stage; `--json`: an array of QueueRow."""
    from etl_core.control.processes import list_queues

    async with context.connection() as conn, context.broker() as broker:
        queues = await list_queues(conn, broker)
    if context.output.json:
        context.output.emit(queues)
        return ExitCode.DONE
    context.output.table(
        ("STAGE", "READY", "OLDEST", "IN HAND", "ROWS/S", "WORKERS", "SLOTS", "MESSAGES", "CONSUMERS"),
        [
            (
                row.stage,
                row.ready,
                None if row.oldest_age_seconds is None else f"{row.oldest_age_seconds:,.0f} s",
                row.in_hand,
                None if row.rows_per_second is None else f"{row.rows_per_second:,.0f}",
                row.workers,
                row.slots,
                row.broker_messages,
                row.broker_consumers,
            )
            for row in queues
        ],
    )
    return ExitCode.DONE
