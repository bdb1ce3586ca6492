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
