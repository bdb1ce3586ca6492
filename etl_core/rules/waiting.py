"""What waits to run, by what it waits for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from etl_core.rules.why import WhyKind, why

if TYPE_CHECKING:
    from etl_core.models.health import Health
    from etl_core.models.job import JobRow

_ALIKE: Final = {
    WhyKind.QUEUED: "queued: a worker is about to take it",
    WhyKind.DUE: "due: a scheduler is about to claim it",
}
"""Reasons whose own text names the run or a time: told alike, so that they stand together."""
_WAITS: Final = frozenset(
    {
        *_ALIKE,
        WhyKind.WAITING,
        WhyKind.PAUSED,
        WhyKind.BLACKOUT,
        WhyKind.LIMITED,
        WhyKind.BUSY,
        WhyKind.NO_SCHEDULER,
        WhyKind.NO_WORKER,
        WhyKind.DRAINING,
        WhyKind.NO_SLOT,
    }
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs that wait for the same: those that have waited longest first."""

    kind: WhyKind
    reason: str
    jobs: tuple[JobRow, ...]
    longest: timedelta
    """Since the first of them fell due or was queued."""
    until: datetime | None
    """When it is over by itself, for those that know; the last of them."""


def waiting_by_reason(jobs: Iterable[JobRow], health: Health | None, now: datetime) -> list[Waiting]:
    """Every job that is due or whose run is queued, by reason; most jobs first."""
    groups: dict[tuple[WhyKind, str], list[tuple[datetime, datetime | None, JobRow]]] = {}
    for job in jobs:
        since = _waits_since(job, now)
        if since is None:
            continue
        found = why(job, health, now)
        if found.kind in _WAITS:
            text = _ALIKE.get(found.kind, found.text)
            groups.setdefault((found.kind, text), []).append((since, found.until, job))
    waiting = [
        Waiting(
            kind,
            reason,
            tuple(job for _, _, job in sorted(found, key=lambda one: (one[0], one[2].id))),
            max(timedelta(), now - min(since for since, _, _ in found)),
            max((until for _, until, _ in found if until is not None), default=None),
        )
        for (kind, reason), found in groups.items()
    ]
    return sorted(waiting, key=lambda group: (-len(group.jobs), group.reason))


def _waits_since(job: JobRow, now: datetime) -> datetime | None:
    """When it fell due or its run was queued; None of what neither waits nor is due."""
    if job.status == "RUNNING":
        return job.run_queued_at if job.run_state == "QUEUED" else None
    return job.due_at if job.due_at is not None and job.due_at <= now else None
