"""A source that changes, fails and spoils its records, and remembers what it has given out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from etl_core.errors import SourceError

ORDERS: Final = "orders"
"""Read by what changed since, with an overlap; keys move between partitions, so all are one lane."""
USERS: Final = "users"
"""Read as a whole each time: what is gone is found by the ledger of keys. A lane for each partition."""
EVENTS: Final = "events"
"""Append-only, without a key."""
STREAMS: Final = (ORDERS, USERS, EVENTS)
PARTITIONS: Final = {ORDERS: ("east", "west"), USERS: ("old", "new"), EVENTS: ("default",)}
PLACES: Final = tuple((stream, partition) for stream in STREAMS for partition in PARTITIONS[stream])

OVERLAP: Final = 4
"""Ticks: a record may become visible so much later than its time says."""

Place = tuple[str, str]


@dataclass(slots=True)
class Row:
    """A record as the source has it now."""

    id: int
    partition: str
    version: int
    at: int
    """By what an incremental walk orders: the tick of the change, or a little before."""


class Spoilt(StrEnum):
    """Why a record cannot be loaded for some time."""

    REFUSED = "refused"
    """By the connector's transform, which does not tell its key."""
    TORN = "torn"
    """A value does not fit its column; the key is known."""


@dataclass
class World:
    """Everything that rules may change, and what the books must know of it."""

    clock: int = 0
    rows: dict[str, dict[int, Row]] = field(default_factory=lambda: {name: {} for name in STREAMS})
    last_key: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    """No key is given twice: in another partition of the users it would come by another lane."""
    page_size: int = 2
    broken: dict[Place, SourceError] = field(default_factory=dict)
    spoilt: dict[tuple[str, int], Spoilt] = field(default_factory=dict)
    fault: tuple[int, Callable[[], Exception]] | None = None
    """After so many pages more this is raised, once."""
    doubles: int = 0
    """So many of the next pages are delivered twice."""
    promised: dict[int, dict[tuple[str, int], int]] = field(default_factory=dict)
    """Token of a checkpoint value -> what its walk has read up to there: (stream, key) -> version."""
    delivered: dict[int, int] = field(default_factory=dict)
    """Token -> the records of its page."""

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def insert(self, stream: str, which: int, *, late: bool = False) -> None:
        """A new record; `late`: as if it had become visible only now."""
        now = self.tick()
        self.last_key[stream] = key = self.last_key[stream] + 1
        partitions = PARTITIONS[stream]
        at = max(0, now - which % OVERLAP) if late else now
        self.rows[stream][key] = Row(key, partitions[which % len(partitions)], now, at)

    def update(self, stream: str, which: int, *, moves: bool = False) -> None:
        """A changed record; `moves`: into the next partition."""
        if row := self.some(stream, which):
            row.version = row.at = self.tick()
            if moves:
                partitions = PARTITIONS[stream]
                row.partition = partitions[(partitions.index(row.partition) + 1) % len(partitions)]

    def delete(self, stream: str, which: int) -> None:
        if row := self.some(stream, which):
            self.tick()
            del self.rows[stream][row.id]

    def some(self, stream: str, which: int) -> Row | None:
        """One of those that there are."""
        rows = list(self.rows[stream].values())
        return rows[which % len(rows)] if rows else None

    def page_is_due(self) -> None:
        """Raises what was to be raised before this page."""
        if self.fault is None:
            return
        pages, make = self.fault
        if pages:
            self.fault = (pages - 1, make)
            return
        self.fault = None
        raise make()

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self.broken.clear()
        self.spoilt.clear()
        self.fault = None
        self.doubles = 0
