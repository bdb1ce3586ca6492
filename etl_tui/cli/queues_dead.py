"""`etl-tui queues dead`: messages that could not be parsed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_core.models.dead_letter import DeadLetterRow
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers


def register_dead(group: Subparsers) -> None:
    """Adds `queues dead`."""
    dead = add_command(
        group,
        "dead",
        show_dead,
        summary="messages that could not be parsed, and purge them",
        description="What arrived in a queue of RabbitMQ and is no message of this program. No work is lost\n"
        "with it: what is to be done is in the database. It stays until somebody purges it.",
        example="etl-tui queues dead --purge",
    )
    dead.add_argument("--purge", action="store_true", help="remove all of them")
    dead.add_argument(
        "--at-most", metavar="N", type=_count, default=100, help="show so many (default %(default)s)"
    )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 1_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000")
    return int(text)


async def show_dead(arguments: argparse.Namespace, context: Context) -> int:
    """Prints them, or purges them; `--json`: an array of DeadLetterRow, or `{"purged": N}`."""
    from etl_core.control.audit import Actor
    from etl_core.control.dead_letters import list_dead_letters, purge_dead_letters

    async with context.broker() as broker:
        if arguments.purge:
            context.refuse_when_read_only()
            async with context.connection() as conn:
                purged = await purge_dead_letters(conn, broker, Actor.current())
            if context.output.json:
                context.output.emit({"purged": purged})
            else:
                context.output.line(f"{purged} message{'' if purged == 1 else 's'} purged")
            return ExitCode.DONE
        letters = await list_dead_letters(broker, at_most=arguments.at_most)
    if context.output.json:
        context.output.emit(letters)
    elif letters:
        _print(letters, context)
    elif broker.transport == "amqp":
        context.output.line("nothing: every message could be parsed")
    else:
        context.output.line("nothing: on PostgreSQL the queues hold no messages")
    return ExitCode.DONE


def _print(letters: list[DeadLetterRow], context: Context) -> None:
    context.output.table(
        ("PUT ASIDE", "QUEUE", "BYTES", "REASON", "BODY"),
        [
            (
                f"{row.put_aside_at.astimezone():%Y-%m-%d %H:%M:%S}" if row.put_aside_at else "?",
                row.queue or "?",
                row.size,
                row.reason or "?",
                row.body,
            )
            for row in letters
        ],
    )
