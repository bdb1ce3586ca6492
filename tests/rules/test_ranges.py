"""The range of a backfill, as people write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.ranges import key_range, number_range, past_moment, time_range

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZONE = timezone(timedelta(hours=2))
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-01-02", "2026-01-01T22:00:00+00:00"),
        ("2026-01-02 06:00", "2026-01-02T04:00:00+00:00"),
        ("2026-01-02T06:00:00Z", "2026-01-02T06:00:00+00:00"),
        ("7d", "2026-02-22T12:00:00+00:00"),
        ("90m ago", "2026-03-01T10:30:00+00:00"),
        ("06:00", "2026-03-01T04:00:00+00:00"),
        ("now", "2026-03-01T12:00:00+00:00"),
    ],
)
def test_moments(written: str, meant: str) -> None:
    assert past_moment(written, NOW, ZONE).isoformat() == meant


@given(MOMENTS, MOMENTS)
def test_a_range_of_time_is_in_order_or_refused(start: datetime, end: datetime) -> None:
    if start < end:
        told = time_range(start.isoformat(), end.isoformat(), NOW, UTC)
        assert [datetime.fromisoformat(each) for each in told] == [start, end]
    else:
        with pytest.raises(ValueError, match="ends before it begins"):
            time_range(start.isoformat(), end.isoformat(), NOW, UTC)


@pytest.mark.parametrize("written", ["", "soon", "2026-13-01", "25:00", "12345678901234567890d"])
def test_what_is_no_time_is_refused_in_one_line(written: str) -> None:
    with pytest.raises(ValueError, match="is no time; write"):
        past_moment(written, NOW, UTC)


def test_keys() -> None:
    assert key_range(" 5 ", "12") == ("5", "12")  # as numbers, not as texts
    assert key_range("a", "B") == ("a", "B")  # what is less only the source can say
    for start, end in (("12", "5"), ("", "5")):
        with pytest.raises(ValueError, match="range"):
            key_range(start, end)


def test_numbers() -> None:
    assert number_range(" 5 ", "12") == ("5", "12")
    for start, end in (("abc", "12"), ("1", "2.5"), ("12", "5"), ("", "5")):
        with pytest.raises(ValueError, match="range"):
            number_range(start, end)
