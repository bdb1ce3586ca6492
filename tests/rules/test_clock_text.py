"""Ages and waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.clock_text import ago_text, clock_text, span_text, until_text, wait_text

NOW = datetime(2025, 11, 24, 14, 32, 20, tzinfo=UTC)
spans = st.timedeltas(timedelta(), timedelta(days=20_000))


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(seconds=59), "0m"),
        (timedelta(minutes=58, seconds=59), "58m"),
        (timedelta(minutes=60), "1h"),
        (timedelta(hours=23, minutes=59), "23h"),
        (timedelta(days=3, hours=5), "3d"),
        (timedelta(days=364), "364d"),
        (timedelta(days=365), "1y"),
        (timedelta(minutes=-5), "0m"),
    ],
)
def test_span(span: timedelta, expected: str) -> None:
    assert span_text(span) == expected


def test_ago() -> None:
    assert ago_text(None, NOW) == "–"
    assert ago_text(NOW + timedelta(hours=1), NOW) == "now"
    assert ago_text(NOW - timedelta(seconds=59), NOW) == "now"
    assert ago_text(NOW - timedelta(minutes=58), NOW) == "58m ago"


def test_until_rounds_minutes_up() -> None:
    assert until_text(NOW, NOW) == "now"
    assert until_text(NOW + timedelta(seconds=1), NOW) == "1m"
    assert until_text(NOW + timedelta(seconds=61), NOW) == "2m"
    assert until_text(NOW + timedelta(minutes=59, seconds=1), NOW) == "1h"


def test_wait() -> None:
    assert wait_text(timedelta(seconds=3), seconds=True) == "3 s"
    assert wait_text(timedelta(seconds=-3), seconds=True) == "0 s"
    assert wait_text(timedelta(seconds=3), seconds=False) == ""
    assert wait_text(timedelta(minutes=3), seconds=True) == "3m"


def test_clock_times_are_told_in_the_reader_s_zone() -> None:
    tokyo = NOW.astimezone(ZoneInfo("Asia/Tokyo"))
    assert clock_text(NOW, NOW) == "14:32"
    assert clock_text(NOW, tokyo) == "23:32"
    assert clock_text(NOW + timedelta(hours=1), tokyo) == "11-25 00:32"
    assert clock_text(NOW - timedelta(days=400), NOW) == "2024-10-20"


@given(spans, spans)
def test_a_longer_span_never_reads_shorter(first: timedelta, second: timedelta) -> None:
    order = {"m": 0, "h": 1, "d": 2, "y": 3}

    def key(span: timedelta) -> tuple[int, int]:
        text = span_text(span)
        return order[text[-1]], int(text[:-1])

    short, long = sorted((first, second))
    assert key(short) <= key(long)
    assert len(span_text(short)) <= 4


@given(spans)
def test_ago_and_until_differ_by_at_most_a_minute(span: timedelta) -> None:
    coming = until_text(NOW + span, NOW)
    assert coming in ("now", span_text(span), span_text(span + timedelta(minutes=1)))
