"""How many other jobs wait for what this one waits for. A pure rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl_core.models.job import JobRow


def others_text(job: JobRow, jobs: Iterable[JobRow]) -> str:
    """`3 other jobs wait for it too`; empty when it waits for nothing, or alone.

    The place is the integration: limits, pauses and free runs are counted there.
    """
    if not _waits(job) or job.integration_id is None:
        return ""
    count = sum(
        other.id != job.id and other.integration_id == job.integration_id and _waits(other) for other in jobs
    )
    if not count:
        return ""
    return "1 other job waits for it too" if count == 1 else f"{count:,} other jobs wait for it too"


def _waits(job: JobRow) -> bool:
    if job.obstacle_kind is not None:
        return True
    return job.status == "RUNNING" and job.run_state == "QUEUED" and job.run_wait_reason is not None
