"""What can be done to a job, by its state: told before it is tried."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from etl_core.rules.possible import cancel_effect, why_not_cancel, why_not_clear, why_not_run
from tests.rules.job_rows import NOW, ago, coming, failed_row, job_row, running_row
from tests.rules.test_notes import any_jobs


@pytest.mark.parametrize(
    ("job", "run", "cancel", "clear"),
    [
        (job_row(), True, False, False),
        (job_row(active=False), True, False, False),
        (job_row(integration_id=None), False, False, False),
        (job_row(held=True), True, False, True),
        (job_row(not_before=coming(hours=1)), True, False, True),
        (job_row(not_before=ago(hours=1)), True, False, False),
        (job_row(retry_count=1), True, False, True),
        (failed_row(), True, False, True),
        (running_row(), False, True, False),
        (running_row(held=True), False, True, True),
    ],
)
def test_what_can_be_done(job: Any, run: bool, cancel: bool, clear: bool) -> None:
    assert (why_not_run(job, NOW) is None) == run
    assert (why_not_cancel(job) is None) == cancel
    assert (why_not_clear(job, NOW) is None) == clear


def test_a_running_job_is_refused_with_its_run() -> None:
    assert why_not_run(running_row(), NOW) == "already running: run 5120, started 14:24"
    assert why_not_run(running_row(run_state="QUEUED"), NOW) == "already running: run 5120, queued"


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (
            running_row(last_run_started_at=ago(minutes=8)),
            [
                "Run 5120 ends where it is. It has read 620,000 rows.",
                "What is loaded stays, with the checkpoint behind it.",
                "The job is READY then and runs again at 15:24, as planned.",
            ],
        ),
        (
            running_row(run_state="QUEUED", run_started_at=None, active=False),
            ["Run 5120 has not started: it never will.", "The job is off and does not run again by itself."],
        ),
        (
            running_row(run_started_at=None, held=True),
            ["Run 5120 has not started: it never will.", "The job is held and does not run again by itself."],
        ),
    ],
)
def test_cancelling_names_what_it_does(job: Any, expected: list[str]) -> None:
    assert cancel_effect(job, NOW) == expected


@given(any_jobs())
def test_every_state_has_an_effect(job: Any) -> None:
    assert all(cancel_effect(job, NOW))
