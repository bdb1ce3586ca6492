"""What waits, by reason: every waiting job once, in the group of its reason."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from etl_core.models.job import JobRow
from etl_core.rules.waiting import waiting_by_reason
from etl_core.rules.why import WhyKind
from tests.rules.job_rows import NOW, ago, coming, job_row
from tests.rules.test_notes import any_jobs
from tests.rules.test_why import BUSY, LIMITED, due_row, health, queued_row


def test_groups_jobs_by_what_they_wait_for() -> None:
    jobs = [
        job_row(id=1),
        due_row(id=2, due_at=ago(minutes=5), **BUSY),
        queued_row(id=3, run_queued_at=ago(minutes=9), **BUSY),
        queued_row(id=4, run_id=77),
        queued_row(id=5, run_id=78),
        queued_row(id=6, run_id=79),
        due_row(id=7, due_at=ago(minutes=1), **LIMITED),
    ]
    queued, busy, limited = waiting_by_reason(jobs, health(), NOW)
    assert [job.id for job in queued.jobs] == [4, 5, 6]
    assert (busy.reason, [job.id for job in busy.jobs]) == ("busy: acme/jira has 1 of 1 runs", [3, 2])
    assert busy.longest == timedelta(minutes=9)
    assert (limited.kind, limited.until) == (WhyKind.LIMITED, coming(minutes=32))


@settings(max_examples=60)
@given(st.lists(any_jobs(), max_size=6))
def test_each_job_that_waits_is_told_once(jobs: list[JobRow]) -> None:
    numbered = [job.model_copy(update={"id": number}) for number, job in enumerate(jobs)]
    found = [job.id for group in waiting_by_reason(numbered, None, NOW) for job in group.jobs]
    assert len(found) == len(set(found))
    runs = {job.id for job in numbered if job.status == "RUNNING" and job.run_state == "RUNNING"}
    assert not runs & set(found)
