"""Jobs as people and programs see them.

`JobCardResponse`, `JobDetailsResponse`, `JobSettingsRequest` and `JobSettingsResponse` are the documented
models, field for field. `JobRow` and `JobDetails` extend them by what grid and command line need.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from etl_core.rules.intervals import humanise_minutes

TEN_YEARS_MINUTES = 10 * 365 * 24 * 60
"""The longest interval a job may have (the database holds the same bound)."""


class JobStatus(StrEnum):
    """The documented four; what a RUNNING job does is its run's business."""

    READY = "READY"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


def retry_not_shorter(schedule_minutes: int, retry_minutes: int) -> str | None:
    """The one sentence that refuses a pair of intervals, everywhere; None when the pair is right."""
    if retry_minutes < schedule_minutes:
        return None
    retry, schedule = humanise_minutes(retry_minutes), humanise_minutes(schedule_minutes)
    return f"Retry ({retry}) must be shorter than the schedule ({schedule})."


class JobCardResponse(BaseModel):
    id: int
    job_name: str
    status: str
    active: bool
    schedule_interval_minutes: int
    retry_interval_minutes: int
    integration_id: int | None
    integration_type: str | None
    integration_logo_filename: str | None
    last_run_started_at: datetime | None
    last_run_finished_at: datetime | None
    error_message: str | None
    retry_count: int


class JobDetailsResponse(BaseModel):
    id: int
    job_name: str
    status: str
    active: bool
    schedule_interval_minutes: int
    retry_interval_minutes: int
    integration_id: int | None
    last_run_started_at: datetime | None
    last_run_finished_at: datetime | None
    created_at: datetime
    last_updated_at: datetime
    error_message: str | None
    retry_count: int
    checkpoint_data: dict[str, Any] | None


class JobSettingsRequest(BaseModel):
    schedule_interval_minutes: int = Field(..., ge=1, le=TEN_YEARS_MINUTES)
    retry_interval_minutes: int = Field(..., ge=1, le=TEN_YEARS_MINUTES)

    @model_validator(mode="after")
    def _retry_is_shorter(self) -> Self:
        refusal = retry_not_shorter(self.schedule_interval_minutes, self.retry_interval_minutes)
        if refusal:
            raise ValueError(refusal)
        return self


class JobSettingsResponse(BaseModel):
    success: bool
    message: str
    job_id: int
    schedule_interval_minutes: int
    retry_interval_minutes: int


class JobState(BaseModel):
    """What is known of a job beyond the documented fields: where it belongs, why it waits, its newest run."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    integration: str | None
    """The integration's name within the tenant."""
    due_at: datetime | None
    """When the scheduler may claim it; None while nothing but a person or a run can make it due."""
    held: bool
    hold_reason: str | None
    held_by: str | None
    held_until: datetime | None
    not_before: datetime | None
    """A person's snooze."""
    off_by: str | None
    """Who switched it off; None while it is on, or when it never was."""
    off_reason: str | None
    error_kind: str | None
    last_success_at: datetime | None
    deadline_minutes: int | None
    max_failures: int
    """After so many failures in a row it is switched off."""
    obstacle_kind: str | None
    """paused, blackout, limited, busy: why a due job or queued run does not start; None: nothing bars it."""
    obstacle: str | None
    """The same in one line: `busy: acme/jira has 1 of 1 runs`."""
    obstacle_until: datetime | None
    row_version: int
    run_id: int | None
    """The newest run: the open one while RUNNING, else the last one."""
    run_state: str | None
    run_trigger: str | None
    run_queued_at: datetime | None
    run_started_at: datetime | None
    run_finished_at: datetime | None
    run_wait_reason: str | None
    run_ready_at: datetime | None
    run_requested_by: str | None
    rows_extracted: int | None
    rows_new: int | None
    rows_changed: int | None
    rows_unchanged: int | None
    rows_deleted: int | None
    rows_rejected: int | None
    rows_expected: int | None
    """How many records the source says the run will yield; None when unknown."""


class JobRow(JobState, JobCardResponse):
    """A row of the grid: the documented card plus `JobState`."""


class JobDetails(JobState, JobDetailsResponse):
    """`jobs show`: the documented details plus `JobState`."""

    checkpoint_data: Any
    """Mostly an object, as documented; whatever was stored by hand is shown, too."""
    integration_type: str | None
    checkpoint_version: int
