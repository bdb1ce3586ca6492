"""Moments to come as people write them, in the zone of their terminal."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.moments import LONGEST, moment_text, parse_moment, parse_past_moment, parse_wall_time

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)  # the clocks go forward in the night that follows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", "2026-03-28 15:00 CET"),
        ("90", "2026-03-28 14:30 CET"),
        ("1 day", "2026-03-29 14:00 CEST"),
        ("14:00", "2026-03-28 14:00 CET"),
        ("13:00", "2026-03-29 13:00 CEST"),
        ("6:00", "2026-03-29 06:00 CEST"),
        ("tomorrow 8:00", "2026-03-29 08:00 CEST"),
        ("Tomorrow", "2026-03-29 00:00 CET"),
        ("24:00", "2026-03-29 00:00 CET"),
        ("2026-03-29 06:00", "2026-03-29 06:00 CEST"),
        ("2026-03-29T06:00:30", "2026-03-29 06:00 CEST"),
        ("2026-03-29", "2026-03-29 00:00 CET"),
        ("2026-03-29 06:00+00:00", "2026-03-29 08:00 CEST"),
    ],
)
def test_what_is_understood(text: str, expected: str) -> None:
    assert moment_text(parse_moment(text, NOW, BERLIN), BERLIN) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("soon", "no time to come"),
        ("", "no time to come"),
        ("0m", "no time to come"),
        ("2026-03-28 12:00", "2026-03-28 12:00 CET has passed"),
        ("2026-13-01 06:00", "no time to come"),
        ("25:00", "no time of day"),
        ("3651d", "ten years"),
        ("2036-04-01", "ten years"),
        ("9" * 300, "no time to come"),
    ],
)
def test_what_is_not(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_moment(text, NOW, BERLIN)


def test_wall_times() -> None:
    assert [parse_wall_time(text) for text in ("6:00", "22:30", " 00:00 ", "24:00")] == [
        time(6), time(22, 30), time(), time(),
    ]  # fmt: skip
    for text in ("6", "24:01", "12:60", "1:2", "a:b", ""):
        with pytest.raises(ValueError, match="no time of day"):
            parse_wall_time(text)


@given(st.text(max_size=20), st.sampled_from([UTC, BERLIN, timezone(timedelta(hours=-3.5))]))
def test_it_is_to_come_or_refused_in_a_sentence(text: str, zone: timezone) -> None:
    try:
        moment = parse_moment(text, NOW, zone)
    except ValueError as refusal:
        assert str(refusal)
    else:
        assert NOW < moment <= NOW + LONGEST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yesterday 18:00", "2026-03-27 18:00 CET"),
        ("today 06:00", "2026-03-28 06:00 CET"),
        ("Yesterday", "2026-03-27 00:00 CET"),
        ("12:30", "2026-03-28 12:30 CET"),
        ("13:30", "2026-03-27 13:30 CET"),
        ("2h", "2026-03-28 11:00 CET"),
        ("1 day ago", "2026-03-27 13:00 CET"),
        ("2025-07-01 06:00", "2025-07-01 06:00 CEST"),
        ("2026-03-28 06:00+00:00", "2026-03-28 07:00 CET"),
    ],
)
def test_what_has_passed_is_understood(text: str, expected: str) -> None:
    assert moment_text(parse_past_moment(text, NOW, BERLIN), BERLIN) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-03-29", "still to come"),
        ("today 18:00", "still to come"),
        ("yesterday noon", "no time of day"),
        ("soon", "no time that has passed"),
        ("", "no time that has passed"),
    ],
)
def test_what_has_not_passed_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_past_moment(text, NOW, BERLIN)
