"""What keeps jobs from starting, and who would run them."""

from __future__ import annotations

from datetime import datetime, time

from pydantic import BaseModel, ConfigDict


class PauseRow(BaseModel):
    """Nothing starts: of all (both null), of a tenant, of an integration."""

    model_config = ConfigDict(frozen=True)

    id: int
    tenant: str | None
    integration: str | None
    reason: str
    paused_by: str
    paused_at: datetime


class WindowRow(BaseModel):
    """A blackout window; `weekdays` are ISO (1 is Monday), hours are local to `time_zone`."""

    model_config = ConfigDict(frozen=True)

    id: int
    tenant: str
    integration: str | None
    job: str | None
    weekdays: list[int]
    starts: time
    ends: time
    time_zone: str
    reason: str | None
    created_by: str
    holds_until: datetime | None
    """Set while it holds."""


class LimitRow(BaseModel):
    """Runs at once: in all (both null), of a tenant, on an integration."""

    model_config = ConfigDict(frozen=True)

    tenant: str | None
    integration: str | None
    max_runs: int
    running: int


class QueueRow(BaseModel):
    """A stage's queue: rows that are ready, and what the broker holds (null on the Postgres transport)."""

    model_config = ConfigDict(frozen=True)

    stage: str
    ready: int
    oldest_age_seconds: float | None
    broker_messages: int | None
    broker_consumers: int | None
    in_hand: int = 0
    """Runs whose extract is under way; of the other stages batches that a worker has."""
    rows_per_second: float | None = None
    """Of the open runs, each since it began with the stage; None while there is none."""
    workers: int = 0
    """Alive and serving the stage, draining ones included."""
    slots: int = 0
    """Of those that take more."""


class HeldRun(BaseModel):
    """A run of which a worker has something in hand."""

    model_config = ConfigDict(frozen=True)

    run_id: int
    job_id: int
    tenant: str
    job: str
    started_at: datetime | None
    whole: bool
    """It has the run itself; else only batches of it."""
    batches: int
    """Batches of it in the worker's hand."""


class WorkerRow(BaseModel):
    """A worker that is alive, or was until a moment ago."""

    model_config = ConfigDict(frozen=True)

    id: int
    host: str
    pid: int
    version: str
    stages: list[str]
    slots: int
    started_at: datetime
    heartbeat_age_seconds: float
    state: str
    """`alive`, `draining`, `silent` (no heartbeat, not yet lost), `lost`, `stopped`."""
    draining_by: str | None
    runs: list[str]
    """What it works on: `tenant/job (run, since)`."""
    slots_used: int = 0
    """Runs in its hand."""
    batches: int = 0
    """Batches in its hand, of any run."""
    holds: list[HeldRun] = []


class SchedulerRow(BaseModel):
    """A scheduler that is alive, or was within the last hour."""

    model_config = ConfigDict(frozen=True)

    id: int
    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_age_seconds: float
    state: str
    """`alive`, `silent`, `stopped`."""
