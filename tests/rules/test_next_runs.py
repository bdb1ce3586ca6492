"""The preview of the settings dialog."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.next_runs import next_runs
from tests.rules.job_rows import NOW, ago, coming, failed_row, job_row

HOUR = timedelta(hours=1)


def test_from_the_last_start() -> None:
    assert next_runs(job_row(), 60, 15, NOW) == [ago(minutes=58, seconds=30) + HOUR * n for n in (1, 2, 3)]


def test_after_a_failure_the_retry_first() -> None:
    assert next_runs(failed_row(), 60, 59, NOW) == [
        ago(minutes=54) + timedelta(minutes=59) + HOUR * n for n in (0, 1, 2)
    ]


def test_a_permanent_failure_waits_for_its_interval() -> None:
    assert next_runs(failed_row(error_kind="permanent"), 60, 1, NOW)[0] == ago(minutes=58, seconds=30) + HOUR


def test_what_is_overdue_starts_now_once() -> None:
    assert next_runs(job_row(last_run_started_at=ago(days=3)), 60, 15, NOW) == [
        NOW,
        NOW + HOUR,
        NOW + 2 * HOUR,
    ]


def test_a_snooze_is_kept() -> None:
    assert next_runs(job_row(not_before=coming(days=1)), 60, 15, NOW)[0] == coming(days=1)


def test_a_resting_job_has_none() -> None:
    assert next_runs(job_row(active=False), 60, 15, NOW) == []
    assert next_runs(job_row(held=True), 60, 15, NOW) == []
    assert next_runs(job_row(integration_id=None), 60, 15, NOW) == []


@given(st.integers(2, 5_256_000), st.timedeltas(timedelta(), timedelta(days=4000)))
def test_never_in_the_past_and_an_interval_apart(schedule: int, since: timedelta) -> None:
    moments = next_runs(job_row(last_run_started_at=NOW - since), schedule, 1, NOW)
    assert moments[0] >= NOW
    assert {later - sooner for sooner, later in pairwise(moments)} == {timedelta(minutes=schedule)}
