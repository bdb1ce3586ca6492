"""One execution of a job."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, computed_field


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
    fields: dict[str, Any] = {}
    """What the line is about, by name: `seq`, `rows`, `worker`."""


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


class RunListRow(RunRow):
    """A run beside others: whose it is, how long it took, and where the checkpoint went."""

    tenant: str
    job_name: str
    options: dict[str, Any]
    """What was asked of it: `replay_rejects`, `backfill`, `full_refresh`, `evolve`, `allow_deletions`."""
    is_partial: bool
    """A retry that read only what had failed."""
    checkpoint_before: int
    """The version of the job's checkpoint that it began with; 0: there was none."""
    checkpoint_after: int
    """The last version that it cut, else the one before."""
    read_at: datetime
    """The database's clock when this was read: until then an open run has taken so long."""

    @computed_field  # type: ignore[prop-decorator] # mypy #1362: a decorated property
    @property
    def seconds(self) -> float | None:
        """From its first claim to its end, or until now; None while it never started."""
        if self.started_at is None:
            return None
        return max(0.0, ((self.finished_at or self.read_at) - self.started_at).total_seconds())


class Hand(BaseModel):
    """What one worker holds of a run, and what it has loaded of it."""

    model_config = ConfigDict(frozen=True)

    worker_id: int
    worker: str
    """`host:pid`."""
    state: str
    """alive, draining, silent, lost or stopped, as `workers list` has it."""
    extracts: bool
    """It holds the run itself."""
    batches: int
    """That it holds now."""
    rows: int
    """Of those batches."""
    since: datetime | None
    """When the oldest of them was stored, or taken in hand; None where it holds none."""
    batches_loaded: int
    rows_loaded: int
    rows_per_second: float | None
    """Loaded, from its first to its last batch; None for fewer than two."""


class BatchRow(BaseModel):
    """A batch of a run on its way; times are aware."""

    model_config = ConfigDict(frozen=True)

    seq: int
    lane: str
    stage: str
    """transform or load: what it waits for, or is in."""
    state: str
    """WAITING, LEASED, LOADED, SET_ASIDE or DISCARDED."""
    rows: int
    bytes: int
    """As stored."""
    attempts: int
    """Workers that were lost with it in hand."""
    worker_id: int | None
    worker: str | None
    """`host:pid` of who holds it, or loaded it."""
    lease: int
    stored_at: datetime
    in_hand_since: datetime | None
    """Since when its worker works on this one alone; None where it is carried along."""
    loaded_at: datetime | None
    age_seconds: float
    """Since it was stored, until it was loaded or now."""
    error: str | None
    rows_new: int
    rows_changed: int
    rows_unchanged: int
    rows_deleted: int
    rows_rejected: int


class StageSpan(BaseModel):
    """When a stage of a run was at work: a bar of its gantt chart."""

    model_config = ConfigDict(frozen=True)

    stage: str
    """queued, extract, transform or load."""
    stream: str | None
    """None: all of the stage."""
    first_at: datetime
    last_at: datetime
    """When it last did something; of a stage that goes on, not yet its end."""
    batches: int | None
    """That it has done; None where a stream is told apart, for a batch may hold several."""
    rows: int
    is_over: bool


class RunDetails(RunListRow):
    """A run with its stages and hands, as `runs show` prints it."""

    progress: list[StageProgress]
    hands: list[Hand]
    batches_waiting: int
    """Stored, and in nobody's hands."""
    explanation: str | None
    """Why it brought no rows (`rules/no_rows.py`); None where it brought some, or is under way."""

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
