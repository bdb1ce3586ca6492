"""Tells of jobs that begin to fail, by bell or desktop notification; in bursts, with a count."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from etl_core.models.job import JobRow
from etl_core.rules.new_failures import new_failures
from etl_tui.app.terminal.escapes import BELL, notification

Notify = Literal["off", "bell", "desktop"]
AT_MOST_EVERY: Final = 5.0
"""Seconds between two: a source that is down fails many jobs within minutes."""


class Alerts:
    """What failed before the first look is no news. Of one dashboard."""

    def __init__(
        self,
        notify: Notify = "off",
        write: Callable[[str], object] = str,
        environ: Mapping[str, str] = os.environ,
        *,
        place: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notify = notify
        self._write = write
        self._environ = environ
        self._title = f"etl-tui {place}".strip()
        self._clock = clock
        self._seen: dict[int, JobRow] | None = None
        self._untold: list[JobRow] = []
        self._told_at = float("-inf")

    @property
    def is_on(self) -> bool:
        return self._notify != "off"

    def see_all(self, jobs: Sequence[JobRow]) -> None:
        """Every job there is; also again, after the database was away."""
        if self._seen is not None:
            self.see(jobs)
        self._seen = {job.id: job for job in jobs}

    def see(self, jobs: Sequence[JobRow]) -> None:
        """Jobs that changed."""
        if not self.is_on or self._seen is None:
            return
        self._untold += new_failures(self._seen, jobs)
        self._seen.update((job.id, job) for job in jobs)
        self.tick()

    def tick(self) -> None:
        """Tells what is to be told, unless it told a moment ago: then the next tick does."""
        if not self._untold or self._clock() - self._told_at < AT_MOST_EVERY:
            return
        failed, self._untold, self._told_at = self._untold, [], self._clock()
        self._write(
            BELL if self._notify == "bell" else notification(self._title, _told(failed), self._environ)
        )


def _told(failed: Sequence[JobRow]) -> str:
    first = failed[0]
    name = f"{first.tenant}/{first.job_name}"
    if len(failed) == 1:
        return f"{name} failed" + (f", {first.error_message}" if first.error_message else "")
    return f"{len(failed)} jobs failed, {name} first"
