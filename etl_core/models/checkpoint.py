"""Checkpoints as people and programs see them: the one that holds, its versions, what a repair would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from etl_core.rules.checkpoints.consequences import Consequences
from etl_core.rules.checkpoints.diff import DocumentDiff
from etl_core.rules.checkpoints.document import Document, Place
from etl_core.rules.checkpoints.summaries import place_title


@dataclass(frozen=True, slots=True)
class CurrentCheckpoint:
    """Where a job stands."""

    job_id: int
    job_name: str
    """`tenant/job_name`"""
    version: int
    """The last one that was cut; 0: there is none."""
    at: datetime | None
    """When it was cut."""
    document: Document
    """As it is now: of a running job ahead of `version`."""
    is_moving: bool
    """A run is open: the rows move, and nothing can be repaired."""
    bytes: int
    """Of its text."""
    integration_type: str | None
    notices: tuple[str, ...]
    """What to know before one edits it, in sentences: it is large, of a newer form, of another form."""
    uneditable: str | None
    """Why no value of it can be edited; None: it can."""
    newer: frozenset[Place]
    """Partitions that a newer version of their connector wrote: shown, not edited."""
    raw: str | None
    """Its text, where it cannot be read as JSON by this program."""
    now: datetime
    """The database's time."""


_MOST_NAMED = 3
"""Partitions that a version names; of more, one stands for all."""


class CheckpointVersion(BaseModel):
    """A version in a checkpoint's history; counts are of partitions."""

    model_config = ConfigDict(frozen=True)

    job_id: int
    version: int
    at: datetime
    source: str
    """run, edit, rewind, clear, migration, sql"""
    actor: str
    reason: str | None
    run_id: int | None
    run_state: str | None
    """Of that run, as it is now."""
    partitions_new: int
    partitions_changed: int
    partitions_gone: int
    touched: list[tuple[str, str]]
    """The first five (stream, partition) that differ from the version before; empty where it is not known."""
    is_newest: bool
    is_last_good: bool
    """The last run that succeeded left it."""
    is_run_start: bool
    """The newest run began from it."""

    @property
    def what(self) -> str:
        """What changed, in a few words: `2 changed, 1 new: orders, refunds/eu-west`."""
        told = [
            f"{number:,} {word}"
            for number, word in (
                (self.partitions_changed, "changed"),
                (self.partitions_new, "new"),
                (self.partitions_gone, "gone"),
            )
            if number
        ]
        names = [place_title(Place(*place)) for place in self.touched]
        total = self.partitions_new + self.partitions_changed + self.partitions_gone
        names = names if total <= _MOST_NAMED else names[:1]
        more = total - len(names)
        shown = ", ".join(names) + (f" and {more:,} more" if names and more > 0 else "")
        return ", ".join(told) + (f": {shown}" if shown else "")


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """What differs between two versions."""

    job_id: int
    before_version: int
    """0: nothing, before the first one."""
    after_version: int | None
    """None: the checkpoint as it is now, in mid-run."""
    before: Document
    after: Document
    difference: DocumentDiff


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What a repair would do; nothing was written."""

    job_id: int
    job_name: str
    version: int
    """The one it was made for: give it to `repair` as `expected_version`."""
    to_version: int | None
    """Of a rewind: the version it goes back to."""
    before: Document
    after: Document
    difference: DocumentDiff
    consequences: Consequences
    warnings: tuple[str, ...] = field(default=())
    refusal: str | None = None
    """Why it cannot be done now (the job runs); None: it can."""


class RepairDone(BaseModel):
    """What a repair did."""

    model_config = ConfigDict(frozen=True)

    job_id: int
    job_name: str
    version: int
    """The version that it cut; the one that holds where nothing changed."""
    before_version: int
    """A rewind to it undoes the repair."""
    changed: bool
    partitions_new: int
    partitions_changed: int
    partitions_gone: int
    warnings: list[str]


class EditHold(BaseModel):
    """A job that is held while somebody edits its checkpoint."""

    model_config = ConfigDict(frozen=True)

    job_id: int
    held_by: str
    until: datetime
