"""Two runs beside each other, and a job's runs over time."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from etl_core.models.audit import EventRow
from etl_core.models.run import RunListRow
from etl_core.rules.usual import Band


class Difference(BaseModel):
    """One thing in which two runs differ, each as text."""

    model_config = ConfigDict(frozen=True)

    what: str
    """`duration`, `records`, `new`, `checkpoint`, `error`, an option, ..."""
    a: str
    b: str
    change: str
    """`+12 %`, `-3`, or empty where there is no number to tell."""


class RunComparison(BaseModel):
    """Two runs, the older one first."""

    model_config = ConfigDict(frozen=True)

    a: RunListRow
    b: RunListRow
    differences: list[Difference]
    changed_between: list[EventRow]
    """What was done to the job and its integration from when `a` was queued until `b` was, oldest first;
    empty for runs of two jobs."""


class RunPoint(BaseModel):
    """A run as a point of a sparkline."""

    model_config = ConfigDict(frozen=True)

    id: int
    state: str
    trigger: str
    queued_at: datetime
    seconds: float | None
    """None while it never started."""
    rows_extracted: int
    rows_changed: int
    """New, changed or deleted."""
    rows_rejected: int


class RunStatistics(BaseModel):
    """The last runs of a job, oldest first, and what is usual of those that went through."""

    model_config = ConfigDict(frozen=True)

    job_id: int
    runs: list[RunPoint]
    usual_seconds: Band | None
    """None for fewer than five."""
    usual_rows: Band | None
    """Of records that the source delivered."""
