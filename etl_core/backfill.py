"""A backfill: one run that reads a range of a source again, beside the job's own bookmark.

What a connector needs for it is `Backfills` and a look at `ExtractContext.backfill`; a worker does the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol, Self, TypeAlias, runtime_checkable

BACKFILL_OPTION: Final = "backfill"
"""The option of a run that makes it one; its value is a `models.backfill.BackfillRequest`."""
ANY_STREAM: Final = "*"
"""Stands for streams that a connector only finds out from its source."""

RangeKind: TypeAlias = Literal["time", "key", "number"]
"""What the ends of a range are: moments, values of a key as the source writes them, or whole numbers."""


@dataclass(frozen=True, slots=True)
class Backfill:
    """A range of what a stream's bookmark goes by: from `start` on, up to and without `end`."""

    start: str
    """Of a time: ISO 8601 in UTC, `2024-05-01T12:00:00+00:00`; of a key or number: as a person wrote it."""
    end: str
    streams: Collection[str] | None = None
    """Only these; None: all that can be backfilled."""

    def reads(self, stream: str) -> bool:
        """Whether the stream was asked for."""
        return self.streams is None or stream in self.streams

    @property
    def start_time(self) -> datetime:
        """Aware; of a range of time."""
        return datetime.fromisoformat(self.start)

    @property
    def end_time(self) -> datetime:
        return datetime.fromisoformat(self.end)

    @classmethod
    def of_option(cls, value: Mapping[str, Any]) -> Self:
        """As the run's option has it."""
        return cls(value["start"], value["end"], value.get("streams"))


@runtime_checkable
class Backfills(Protocol):
    """What a connector has that can read a range of its streams.

    With `context.backfill` set, `extract` yields the records of that range alone, of the streams that it
    `reads`, whatever else it would do in a run: no census, no look at what is older or newer. The checkpoint
    that it is given, and that its pages carry, is the backfill's own: empty at first, then where it broke
    off; it has no part in the job's. Nothing is ever marked deleted by a backfill.
    """

    def backfill_ranges(self) -> Mapping[str, RangeKind]:
        """Stream -> what its ranges are in, for each that can be backfilled with this configuration.

        Nothing is asked of the source, and secrets may be missing. `ANY_STREAM` stands for those that only
        the source knows; one that then cannot be backfilled is refused by `extract`.
        """
