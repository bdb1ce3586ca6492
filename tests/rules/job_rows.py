"""Jobs made by hand for tests of rules and screens; `NOW` is when they are looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from etl_core.models.job import JobRow

NOW = datetime(2025, 11, 24, 14, 32, 20, tzinfo=UTC)


def ago(**span: float) -> datetime:
    """That long before `NOW`."""
    return NOW - timedelta(**span)


def coming(**span: float) -> datetime:
    """That long after `NOW`."""
    return NOW + timedelta(**span)


def job_row(**fields: Any) -> JobRow:
    """A job that is ready, succeeded an hour ago with 1,204 new rows and is due in two minutes."""
    defaults: dict[str, Any] = {
        "id": 1,
        "job_name": "confluence",
        "status": "READY",
        "active": True,
        "schedule_interval_minutes": 60,
        "retry_interval_minutes": 15,
        "integration_id": 7,
        "integration_type": "synthetic",
        "integration_logo_filename": None,
        "last_run_started_at": ago(minutes=58, seconds=30),
        "last_run_finished_at": ago(minutes=58),
        "error_message": None,
        "retry_count": 0,
        "tenant": "acme",
        "integration": "confluence",
        "due_at": coming(minutes=1, seconds=30),
        "held": False,
        "hold_reason": None,
        "held_by": None,
        "held_until": None,
        "not_before": None,
        "off_by": None,
        "off_reason": None,
        "error_kind": None,
        "last_success_at": ago(minutes=58),
        "deadline_minutes": None,
        "max_failures": 10,
        "obstacle_kind": None,
        "obstacle": None,
        "obstacle_until": None,
        "row_version": 1,
        "run_id": 5120,
        "run_state": "SUCCEEDED",
        "run_trigger": "schedule",
        "run_queued_at": ago(minutes=58, seconds=32),
        "run_started_at": ago(minutes=58, seconds=30),
        "run_finished_at": ago(minutes=58),
        "run_wait_reason": None,
        "run_ready_at": None,
        "run_requested_by": None,
        "rows_extracted": 1204,
        "rows_new": 1204,
        "rows_changed": 0,
        "rows_unchanged": 0,
        "rows_deleted": 0,
        "rows_rejected": 0,
        "rows_expected": None,
    }
    return JobRow.model_validate(defaults | fields)


def running_row(**fields: Any) -> JobRow:
    """A job whose run extracts since 500 s."""
    defaults: dict[str, Any] = {
        "status": "RUNNING",
        "due_at": None,
        "run_state": "RUNNING",
        "run_started_at": ago(seconds=500),
        "run_finished_at": None,
        "rows_extracted": 620_000,
        "rows_expected": 1_000_000,
    }
    return job_row(**(defaults | fields))


def failed_row(**fields: Any) -> JobRow:
    """A job that failed twice in a row, last 54 minutes ago."""
    defaults: dict[str, Any] = {
        "job_name": "payments",
        "status": "FAILED",
        "error_kind": "transient",
        "error_message": "timeout after 30 s from payments.example",
        "retry_count": 2,
        "last_run_finished_at": ago(minutes=54),
        "due_at": coming(minutes=17, seconds=40),
        "run_state": "FAILED",
    }
    return job_row(**(defaults | fields))
