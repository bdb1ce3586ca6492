"""A batch as a worker carries it, from the page that extract stored to the rows that load merges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etl_core.connector import Record

FEW_RECORDS = 100
"""So many are encoded, and transformed, in the event loop: sooner done than a thread is woken."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A stored batch that this worker has the lease of."""

    run_id: int
    seq: int
    lane: str
    lease: int
    size: int
    """Bytes of its records as JSON, uncompressed: what it takes of the memory."""
    fragments: Sequence[Mapping[str, Any]]
    """[{stream, partition, bookmark, resume, version}]: the checkpoint once it is loaded; `covers`,
    `whole_of` and `deleted` say what else the page knows to be gone, `seen` what is there and was not read,
    `begins_anew` that a walk was begun again.
    """
    stored_at: datetime
    """Postgres's clock: `_extracted_at` of its rows."""
    records: Mapping[str, Sequence[Record]]
    is_carried: bool = True
    """False: it waits in its stage's queue, and whoever claims it reads it from there."""
    stored_bytes: int = 0
    """Of its stored payload: what it takes of the run's share of the database."""
    may_give_way: bool = False
    """Behind it, the run may be left to whoever takes it up."""
