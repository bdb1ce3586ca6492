"""The schedule to come: counted together it is what each job alone would do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from etl_core.rules.collisions import Contender, waits
from etl_core.rules.schedule_ahead import MINUTE, Bar, PlannedJob, look_ahead
from tests.rules.job_rows import NOW

BEGIN = NOW.replace(second=0, microsecond=0)
HOURS = 6


def planned(number: int, due: int, every: int, tenant: str = "acme", **more: Any) -> PlannedJob:
    """A job due `due` minutes from the beginning."""
    fields: dict[str, Any] = {
        "id": number,
        "name": f"{tenant}/j{number}",
        "tenant": tenant,
        "integration": "api",
        "interval": timedelta(minutes=every),
        "due_at": BEGIN + due * MINUTE,
    }
    return PlannedJob(**(fields | more))


def blackout(start: int, length: int, tenant: str | None = None, job_id: int | None = None) -> Bar:
    begin = BEGIN + start * MINUTE
    return Bar("blackout", tenant, None, job_id, begin, begin + length * MINUTE, "night")


bars = st.builds(
    blackout,
    st.integers(-30, HOURS * 60),
    st.integers(1, 90),
    st.sampled_from([None, "acme", "globex"]),
    st.sampled_from([None, None, 1]),
)
jobs = st.lists(
    st.tuples(st.integers(-60, HOURS * 60 + 30), st.integers(1, 200), st.sampled_from(["acme", "globex"])),
    max_size=6,
)


def alone(job: PlannedJob, barring: list[Bar]) -> list[int]:
    """The minutes of its starts, one after another."""
    assert job.due_at is not None
    minute, found = max(0, (job.due_at - BEGIN) // MINUTE), []
    while minute < HOURS * 60:
        at = BEGIN + minute * MINUTE
        if any(bar.bars(job) and bar.start <= at < (bar.end or at) for bar in barring):
            minute += 1
        else:
            found.append(minute)
            minute += job.interval // MINUTE
    return found


@settings(max_examples=60, deadline=None)
@given(jobs, st.lists(bars, max_size=4))
def test_what_is_counted_together_is_what_each_does_alone(
    drawn: list[tuple[int, int, str]], barring: list[Bar]
) -> None:
    made = [planned(number, *each) for number, each in enumerate(drawn)]
    ahead = look_ahead(made, barring, BEGIN, HOURS)
    expected = {job.id: minutes for job in made if (minutes := alone(job, barring))}
    assert {start.job.id: start.starts for start in ahead.starts} == {
        number: len(minutes) for number, minutes in expected.items()
    }
    assert {start.job.id: (start.at - BEGIN) // MINUTE for start in ahead.starts} == {
        number: minutes[0] for number, minutes in expected.items()
    }
    per_minute = [0] * (HOURS * 60)
    for minutes in expected.values():
        for minute in minutes:
            per_minute[minute] += 1
    assert list(ahead.per_minute) == per_minute
    for count in (1, 7, 80):
        assert sum(ahead.buckets(count)) == sum(per_minute)


def test_tells_blackouts_pauses_and_who_waits() -> None:
    pause = Bar("paused", "globex", None, None, BEGIN, None, "by ana: migration")
    night = blackout(0, 30, job_id=1)
    limited: dict[str, Any] = {"max_runs": 1, "usual": timedelta(minutes=12)}
    ahead = look_ahead(
        [
            planned(1, 5, 60),
            planned(2, 5, 60, "globex"),
            planned(3, 40, 60, integration="git", **limited),
            planned(4, 41, 60, integration="git", **limited),
            planned(5, 0, 120, due_at=None, running_since=BEGIN - timedelta(minutes=30)),
            planned(6, 0, 60, due_at=None),
        ],
        [pause, night],
        BEGIN,
        HOURS,
    )
    by_id = {start.job.id: start for start in ahead.starts}
    assert by_id[1].delayed_by is night
    assert by_id[1].at == BEGIN + 30 * MINUTE
    assert [job.id for job, _ in ahead.paused] == [2]
    assert by_id[5].at == BEGIN + 90 * MINUTE
    assert 6 not in by_id
    (wait,) = ahead.waits
    assert (wait.waiting, wait.holder, wait.at, wait.seconds) == (4, 3, 41 * 60, 11 * 60)
    assert ahead.waits_until == BEGIN + HOURS * 60 * MINUTE


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(60, 4000), st.integers(1, 2000)), max_size=6),
)
def test_nobody_waits_for_itself_or_where_there_is_room(most: int, drawn: list[tuple[int, int, int]]) -> None:
    contenders = [
        Contender(number, float(first), float(every), float(usual))
        for number, (first, every, usual) in enumerate(drawn)
    ]
    found, until = waits([(most, contenders)], 7200.0)
    assert until == 7200.0
    assert not found or len(contenders) > most
    for wait in found:
        assert wait.waiting != wait.holder
        assert 0 <= wait.at < until
        assert wait.seconds >= 30


def test_ten_thousand_jobs_are_followed_as_far_as_it_is_cheap() -> None:
    made = [planned(n, n % 5, 5, integration=f"i{n % 100}", max_runs=1) for n in range(10_000)]
    ahead = look_ahead(made, [], BEGIN, 24)
    assert sum(ahead.per_minute) == 10_000 * 288
    assert ahead.waits_until < BEGIN + timedelta(hours=1)
