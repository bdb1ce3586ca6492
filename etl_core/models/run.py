"""One execution of a job."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class RunState(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_open(self) -> bool:
        return self in (RunState.QUEUED, RunState.RUNNING)


class StageProgress(BaseModel):
    """How far a stage of a run is with one stream."""

    model_config = ConfigDict(frozen=True)

    stream: str
    stage: str
    rows: int
    bytes: int
    """Of the records as JSON, uncompressed."""
    rows_per_second: float | None
    """Since the stage began with it; None in its first moment."""


class LogLine(BaseModel):
    """A line of a run's log, as `runs log` prints it."""

    model_config = ConfigDict(frozen=True)

    id: int
    """Counts up within a run; not without gaps."""
    at: datetime
    level: str
    """debug, info, warning or error."""
    message: str


class RunRow(BaseModel):
    """A run as `runs list`, `jobs run --wait` and the screens print it; times are aware, rows are counts."""

    model_config = ConfigDict(frozen=True)

    id: int
    job_id: int
    state: RunState
    trigger: str
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    rows_extracted: int
    rows_new: int
    rows_changed: int
    rows_unchanged: int
    rows_deleted: int
    rows_rejected: int
    batches: int
    losses: int
    error_kind: str | None
    error_message: str | None
    requested_by: str | None
    wait_reason: str | None
    rows_expected: int | None


class RunDetails(RunRow):
    """A run with the progress of its stages, as `runs show` prints it."""

    progress: list[StageProgress]

    def total(self, stage: str) -> int:
        """Rows of all streams that have been through a stage."""
        return sum(part.rows for part in self.progress if part.stage == stage)

    @property
    def lag(self) -> int:
        """Rows extracted and not yet loaded, as far as told."""
        return max(0, self.total("extract") - self.total("load"))

    @property
    def seconds_left(self) -> float | None:
        """Until the rows that its source expects are loaded, at the pace so far; None where unknown."""
        pace = sum(part.rows_per_second or 0 for part in self.progress if part.stage == "load")
        if self.state is not RunState.RUNNING or not self.rows_expected or not pace:
            return None
        return max(0, self.rows_expected - self.total("load")) / pace
