"""Who will have to wait for whom, because an integration lets only so many runs go on at once. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_STARTS = 50_000
"""So many starts are followed; where there are more, fewer hours are."""
WORTH_TELLING = 30.0
"""Seconds of waiting below which nobody cares."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A job of an integration with a limit; all times are seconds from the beginning.

    `first` is its next start, `usual` how long it runs; `busy_until`, if it runs now, when that ends. `may`
    tells by minutes from which minute on it may start; None: always.
    """

    id: int
    first: float
    interval: float
    usual: float
    busy_until: float | None = None
    may: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A job waits for another: the first time at `at`, `seconds` long; so `times` in all."""

    waiting: int
    holder: int
    at: float
    seconds: float
    times: int


def waits(places: Sequence[tuple[int, Sequence[Contender]]], span: float) -> tuple[list[Wait], float]:
    """The waits of `span` seconds, in order of their first; and how far was looked.

    `places` are (runs at once, its jobs). Who falls due first goes first.
    """
    tight = [(most, jobs) for most, jobs in places if len(jobs) > most]
    expected = sum(span / max(60.0, job.interval) for _, jobs in tight for job in jobs)
    until = span if expected <= MOST_STARTS else span * MOST_STARTS / expected
    found: dict[tuple[int, int], Wait] = {}
    for most, jobs in tight:
        _follow(most, jobs, until, found)
    return sorted(found.values(), key=lambda wait: (wait.at, wait.waiting)), until


def _follow(most: int, jobs: Sequence[Contender], until: float, found: dict[tuple[int, int], Wait]) -> None:
    by_id: Mapping[int, Contender] = {job.id: job for job in jobs}
    ends = [(job.busy_until, job.id) for job in jobs if job.busy_until is not None]
    heapq.heapify(ends)
    dues = [(job.first, job.id) for job in jobs]
    heapq.heapify(dues)
    while dues and dues[0][0] < until:
        due, job_id = heapq.heappop(dues)
        job = by_id[job_id]
        if job.may is not None and (allowed := _allowed(job.may, due)) > due:
            heapq.heappush(dues, (allowed, job_id))
            continue
        while ends and ends[0][0] <= due:
            heapq.heappop(ends)
        start = due
        if len(ends) >= most:
            start, holder = heapq.heappop(ends)
            if start - due >= WORTH_TELLING and holder != job_id:
                before = found.get((job_id, holder))
                found[job_id, holder] = (
                    Wait(job_id, holder, due, start - due, 1)
                    if before is None
                    else Wait(job_id, holder, before.at, before.seconds, before.times + 1)
                )
        heapq.heappush(ends, (start + job.usual, job_id))
        heapq.heappush(dues, (start + max(job.interval, job.usual), job_id))


def _allowed(may: Sequence[int], due: float) -> float:
    minute = int(due // 60)
    return max(due, may[minute] * 60.0) if minute < len(may) else due
