"""Which jobs begin to fail: what somebody who does not look wants to be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from etl_core.models.job import JobRow


def new_failures(before: Mapping[int, JobRow], after: Iterable[JobRow]) -> list[JobRow]:
    """Jobs that failed since they were last seen, and had not failed then; a failed retry is no news.

    A job that was not there `before` and has failed is new.
    """
    return [job for job in after if _fails(job) and not _was_failing(before.get(job.id))]


def _fails(job: JobRow) -> bool:
    return job.active and job.status == "FAILED"


def _was_failing(job: JobRow | None) -> bool:
    # While a failed job is tried again it is RUNNING, and its failures in a row stay.
    return job is not None and (job.status == "FAILED" or job.retry_count > 0)
