"""What arrived at the broker and could not be parsed: look at it, and purge it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl_core.control.audit import Actor, record_event
from etl_core.models.dead_letter import DeadLetterRow
from etl_core.store.database import Connection

if TYPE_CHECKING:
    from etl_core.broker.protocol import Broker, DeadLetter

BEGINNING = 200
"""Bytes of a body that are shown."""


async def list_dead_letters(broker: Broker, *, at_most: int = 100) -> list[DeadLetterRow]:
    """Messages that could not be parsed, the oldest first; they stay where they are.

    Raises:
        Unreachable: the broker does not answer.
    """
    letters = [_row(letter) for letter in await broker.dead_letters(at_most)]
    return sorted(letters, key=lambda row: row.put_aside_at.timestamp() if row.put_aside_at else 0.0)


async def purge_dead_letters(conn: Connection, broker: Broker, actor: Actor) -> int:
    """Removes all of them, also what arrived since somebody looked; how many there were.

    Raises:
        Unreachable: the broker does not answer.
    """
    async with conn.transaction():
        purged = await broker.purge_dead_letters()
        await record_event(conn, "purge_dead", actor, messages=purged)
    return purged


def _row(letter: DeadLetter) -> DeadLetterRow:
    return DeadLetterRow(
        put_aside_at=letter.put_aside_at,
        queue=None if letter.queue is None else printable(letter.queue),
        reason=None if letter.reason is None else printable(letter.reason),
        size=letter.size,
        body=printable(letter.body[:BEGINNING].decode("utf-8", "backslashreplace")),
    )


def printable(text: str) -> str:
    """Without anything that a terminal would obey: escape sequences, line ends, changes of direction."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
