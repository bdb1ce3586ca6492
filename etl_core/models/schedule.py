"""The schedule to come, as `etl-tui schedule` prints it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Bucket(BaseModel):
    """How many runs start from `at` on, until the next bucket."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    starts: int


class ComingStart(BaseModel):
    """The next start of a job."""

    model_config = ConfigDict(frozen=True)

    job_id: int
    job: str
    """`tenant/job`."""
    at: datetime
    interval_minutes: int
    starts: int
    """In the whole span, this one included."""
    delayed_by: str | None
    """`blackout of acme`, when it falls due in one and starts at its end."""


class ComingWait(BaseModel):
    """A job that will wait for another of its integration, by what is usual of both."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    job_id: int
    job: str
    waits_for: str
    minutes: float
    """The first time."""
    times: int
    """In the part of the span that was looked at."""


class ComingBar(BaseModel):
    """What bars jobs in the span; `ends` None: until somebody ends it."""

    model_config = ConfigDict(frozen=True)

    kind: str
    """`blackout`, `paused`, `limited`."""
    place: str
    """`all`, `acme`, `acme/jira`, or a job."""
    starts: datetime
    ends: datetime | None
    reason: str
    jobs_paused: int
    """Jobs that start nothing because of it; of a pause only."""


class Schedule(BaseModel):
    """The hours to come. Every run is taken to succeed."""

    model_config = ConfigDict(frozen=True)

    start: datetime
    hours: int
    total: int
    """Runs that start within it."""
    density: list[Bucket]
    coming: list[ComingStart]
    waits: list[ComingWait]
    waits_until: datetime
    """Waits are looked for until then; before the end only where there are very many starts."""
    bars: list[ComingBar]
