"""Runs that keep a checkpoint of their own: a backfill, and a full refresh that a person asked for.

Where such a run stands is stored with its batches (`run_checkpoints`), so that whoever takes it over goes on
there, and not where the job's bookmark is. Of a backfill nothing of it ever reaches the job's checkpoint. Of
a full refresh a partition's bookmark does, once its walk is complete: until then the old one stands, and a
refresh that is broken off leaves the job as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError

from etl_core.backfill import ANY_STREAM, BACKFILL_OPTION, Backfill, Backfills
from etl_core.connector import Connector, Stream
from etl_core.errors import Permanent
from etl_core.models.backfill import BackfillRequest
from etl_core.validation_text import describe

FULL_REFRESH_OPTION = "full_refresh"
"""The option of a run that reads everything again: True, or a list of streams."""

Fragment = dict[str, Any]

_OF_LOADS = ("whole_of", "deleted", "seen")
"""What travels with a page's first fragment, and is no place in a stream."""


@dataclass(frozen=True, slots=True)
class OwnCheckpoint:
    """What such a run keeps to itself."""

    backfill: Backfill | None = None
    rate: float | None = None
    """Records a second at most."""
    refreshed: frozenset[str] | None = None
    """Of a full refresh: these streams alone; None: all."""

    @classmethod
    def of(cls, options: Mapping[str, Any], connector: Connector) -> Self | None:
        """By what was asked of the run; None: it goes on from its job's checkpoint, as most do.

        Raises:
            Permanent: the option cannot be read, or the connector cannot do it (any more).
        """
        if BACKFILL_OPTION in options:
            try:
                asked = BackfillRequest.model_validate(options[BACKFILL_OPTION])
            except ValidationError as error:
                raise Permanent(f"option {BACKFILL_OPTION} of the run: {describe(error)}") from None
            if not isinstance(connector, Backfills):
                raise Permanent(f"connector {connector.type} cannot be backfilled")
            ranges = connector.backfill_ranges()
            streams = asked.streams
            if streams is None and ANY_STREAM not in ranges:
                streams = list(ranges)
            return cls(Backfill(asked.start, asked.end, streams), asked.rate)
        refreshed = options.get(FULL_REFRESH_OPTION)
        if not refreshed:
            return None
        return cls(refreshed=None if refreshed is True else frozenset(refreshed))

    def keeps(self, stream: str) -> bool:
        """Whether where this stream stands is the run's own."""
        return self.backfill is not None or self.refreshed is None or stream in self.refreshed

    def expect(self, streams: Sequence[Stream]) -> None:
        """Raises Permanent: the source has no stream that was named; nothing would be read, and succeed."""
        names = {stream.name for stream in streams}
        asked = self.backfill.streams if self.backfill is not None else self.refreshed
        if missing := sorted({*(asked or ())} - names):
            raise Permanent(f"there is no stream {missing[0]!r}; there are {', '.join(sorted(names))}")

    def told(self, fragments: Sequence[Fragment], ledgers: frozenset[str]) -> list[Fragment]:
        """The fragments that move the job's checkpoint with the batch.

        `ledgers`: streams of whose walks a ledger is kept. It must be told of each step of a full refresh,
        and with it the checkpoint. Of a backfill nothing is marked deleted, so nothing is told at all.
        """
        if self.backfill is not None or not fragments:
            return []
        told = [
            {name: value for name, value in f.items() if name not in _OF_LOADS}
            for f in fragments
            if not self.keeps(f["stream"]) or f["resume"] is None or f["stream"] in ledgers
        ]
        carried = {name: fragments[0][name] for name in _OF_LOADS if name in fragments[0]}
        if carried and told:
            told[0] |= carried
        elif carried:  # one without a stream moves no checkpoint
            told = [{"stream": None, "partition": None, "bookmark": None, "resume": None, **carried}]
        return told
