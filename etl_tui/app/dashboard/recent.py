"""Which jobs changed a moment ago: so that an eye on the wall sees where something happened."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from etl_core.models.job import JobRow

SHOWN_SECONDS: Final = 3.0


class RecentChanges:
    """Remembers changes of state, not of progress: a job that runs changes every second."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}

    @property
    def ids(self) -> Collection[int]:
        """Of the jobs to be marked now."""
        return self._until.keys()

    def follow(self, before: Sequence[JobRow], after: Sequence[JobRow], now: float) -> None:
        """Notes what differs; `now` is monotonic, in seconds. A job that comes or goes has not changed."""
        if len(before) == len(after) and before:
            changed = [(old, new) for old, new in zip(before, after, strict=True) if old is not new]
        else:
            known = {job.id: job for job in before}
            changed = [(known[job.id], job) for job in after if known.get(job.id, job) is not job]
        if any(old.id != new.id for old, new in changed):  # they changed places, too
            known = {job.id: job for job in before}
            changed = [(known[job.id], job) for job in after if known.get(job.id, job) is not job]
        for old, new in changed:
            if _state(old) != _state(new):
                self._until[new.id] = now + SHOWN_SECONDS

    def end(self, now: float) -> None:
        """Forgets what is older than a moment."""
        for job_id in [job_id for job_id, until in self._until.items() if until <= now]:
            del self._until[job_id]


def _state(job: JobRow) -> tuple[object, ...]:
    return job.status, job.active, job.held, job.run_id, job.run_state, job.retry_count
