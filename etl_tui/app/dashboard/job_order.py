"""In which order the grid shows jobs: by a column, one way or the other, failed ones first if asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, TypeAlias

from etl_core.errors import InvalidInput
from etl_core.models.job import JobRow
from etl_core.rules.job_tone import Tone, tone_of

BY_NAME: Final = "JOB"
STATUS: Final = "STATUS"
Key: TypeAlias = Callable[[JobRow], Any]

_URGENCY: Final = (Tone.FAILED, Tone.WAITING, Tone.RUNNING, Tone.READY, Tone.FINISHED, Tone.OFF)


def _name(job: JobRow) -> tuple[str, ...]:
    return job.job_name.casefold(), job.job_name, job.tenant


def _moment(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _took(job: JobRow) -> float | None:
    if job.run_started_at is None or job.run_finished_at is None:
        return None
    return (job.run_finished_at - job.run_started_at).total_seconds()


_KEYS: Final[Mapping[str, Key]] = {
    STATUS: lambda job: _URGENCY.index(tone_of(job)),
    "TENANT": lambda job: job.tenant.casefold(),
    BY_NAME: _name,
    "INTEGRATION": lambda job: job.integration and job.integration.casefold(),
    "EVERY": lambda job: job.schedule_interval_minutes,
    "RETRY": lambda job: job.retry_interval_minutes,
    "RETRIES": lambda job: job.retry_count,
    "LAST RUN": lambda job: _moment(job.last_run_finished_at or job.last_run_started_at),
    "LAST OK": lambda job: _moment(job.last_success_at),
    "TOOK": _took,
    "NEXT": lambda job: _moment(job.due_at),
    "ROWS": lambda job: job.rows_extracted,
    "ERROR": lambda job: job.error_message and job.error_message.casefold(),
}
"""By the titles of the columns; those that are not here are not sorted by."""
SORTABLE: Final = tuple(_KEYS)
_LARGEST_FIRST: Final = frozenset({"RETRIES", "LAST RUN", "LAST OK", "TOOK", "ROWS"})
"""What one looks for is the last, or the most."""


def sortable(text: str) -> str:
    """The title of the column that a person means: `next`, `last`, `tenant`.

    Raises:
        InvalidInput: none or several begin so.
    """
    wanted = text.strip().upper()
    found = [title for title in SORTABLE if title == wanted] or [
        title for title in SORTABLE if title.startswith(wanted)
    ]
    if len(found) != 1:
        raise InvalidInput(f"{text.strip()}: sort by {', '.join(title.lower() for title in SORTABLE)}")
    return found[0]


@dataclass(frozen=True, slots=True)
class JobOrder:
    """`title` is that of a column; jobs without a value there come last, whichever way."""

    title: str = BY_NAME
    reverse: bool = False
    failed_first: bool = False

    @property
    def is_falling(self) -> bool:
        """Whether the largest value is on top."""
        return self.reverse != (self.title in _LARGEST_FIRST)

    def sort(self, jobs: Iterable[JobRow]) -> list[JobRow]:
        """The jobs in this order; among equals by name."""
        found = sorted(jobs, key=_name, reverse=self.title == BY_NAME and self.reverse)
        if self.title != BY_NAME:
            valued = [(_KEYS[self.title](job), job) for job in found]
            known = [pair for pair in valued if pair[0] is not None]
            known.sort(key=itemgetter(0), reverse=self.is_falling)
            found = [job for _, job in known] + [job for value, job in valued if value is None]
        if self.failed_first:
            found.sort(key=lambda job: tone_of(job) is not Tone.FAILED)
        return found

    def keeps_place(self, old: JobRow, new: JobRow) -> bool:
        """Whether a job that changed stays where it is among the others."""
        if _name(old) != _name(new):
            return False
        if self.failed_first and (tone_of(old) is Tone.FAILED) != (tone_of(new) is Tone.FAILED):
            return False
        return self.title == BY_NAME or bool(_KEYS[self.title](old) == _KEYS[self.title](new))

    def by(self, title: str) -> JobOrder:
        """By that column; by the one that it is already, the other way round."""
        if title not in _KEYS:
            return self
        if title == self.title:
            return replace(self, reverse=not self.reverse)
        return replace(self, title=title, reverse=False)

    def beside(self, titles: Sequence[str], step: int) -> JobOrder:
        """By the next of these columns in that direction, round the ends."""
        able = [title for title in titles if title in _KEYS]
        at = able.index(self.title) if self.title in able else -1
        return replace(self, title=able[(at + step) % len(able)], reverse=False)
