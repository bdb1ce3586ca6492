"""Finds the rows that the destination refuses, so that the rest of their batch can be loaded.

What transform cannot know: a constraint or a trigger that a person added, a row too large for an index. The
rows are halved under savepoints until the bad ones are alone: about 2 x log2(n) merges for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncpg

from etl_core.connector import Record
from etl_core.store.database import Connection
from workers.loader.merge import LoadCounts, merge, stage_rows
from workers.loader.target import TargetTable
from workers.transform import Reject, TypedRows

REFUSALS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,
)
"""What is the fault of single rows; other errors (rights, a table that is gone) are of all of them."""
MOST_SOUGHT: Final = 100
"""So many bad rows of a table are found one by one; what is refused after that is rejected as a whole."""


@dataclass(slots=True)
class Pieces:
    """What became of the rows of one stream."""

    counts: LoadCounts = field(default_factory=LoadCounts)
    refused: list[tuple[int, str]] = field(default_factory=list)
    """(place among the rows, reason)"""


async def load_piecewise(
    conn: Connection,
    table: TargetTable,
    rows: TypedRows,
    *,
    run_id: int,
    extracted_at: datetime,
    only_older: bool = False,
) -> Pieces:
    """Loads the rows that the destination takes, in order, in the caller's transaction; else as `merge`."""
    pieces = Pieces()
    waiting = [(0, len(rows))] if rows.rows else []
    while waiting:
        begin, end = waiting.pop()
        try:
            async with conn.transaction():
                staged = await stage_rows(conn, table, rows.part(begin, end))
                pieces.counts += await merge(
                    conn, staged, run_id=run_id, extracted_at=extracted_at, only_older=only_older
                )
        except REFUSALS as error:
            if end - begin == 1 or len(pieces.refused) >= MOST_SOUGHT:
                why = first_line(error)
                pieces.refused += [(place, why) for place in range(begin, end)]
            else:
                middle = (begin + end) // 2
                waiting += [(middle, end), (begin, middle)]  # the first half is next
    return pieces


def reject_row(rows: TypedRows, place: int, reason: str, records: Sequence[Record]) -> Reject:
    """The reject of a row: its record as it came, where that is one of `records`; else as it was staged."""
    origin = rows.origins[place] if place < len(rows.origins) else -1
    known = 0 <= origin < len(records)
    return Reject.of(rows.stream.name, records[origin] if known else rows.record(place), reason)


def first_line(error: asyncpg.PostgresError) -> str:
    """Its message without DETAIL, which would show the whole row to everybody who sees the job."""
    return str(error.args[0]).partition("\n")[0]
