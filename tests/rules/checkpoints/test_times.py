"""Where a bookmark stands in time, as far as its values tell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from etl_core.rules.checkpoints.times import moment_of, span_words
from tests.rules.checkpoints.documents import JSON


@pytest.mark.parametrize(
    ("bookmark", "moment"),
    [
        ({"updated_at": "2026-05-01T08:00:00Z", "rechecked_at": "2026-06-01T00:00:00Z"}, "2026-05-01 08:00"),
        ({"updated_at": "2026-05-01T08:00:00+02:00", "children": ["reviews", "files"]}, "2026-05-01 06:00"),
        ({"updated": 1_780_000_000_000, "projects": [10_000]}, "2026-05-28 20:26"),
        ({"cursor": "2026-05-01"}, "2026-05-01 00:00"),
        ({"at": ["2026-05-01 08:00:00.123", "7"]}, "2026-05-01 08:00"),
        (
            {"state": {"bookmarks": {"orders": {"replication_key_value": "2026-05-01T00:00:00Z"}}}},
            "2026-05-01 00:00",
        ),
        ("2026-05-01T00:00:00Z", "2026-05-01 00:00"),
        ({"through": 1_780_000_000, "generation": 1}, None),
        ({"id": "2026-ab-01", "at": True, "n": None}, None),
        ({"at": "2026-13-45"}, None),
        (None, None),
    ],
)
def test_the_moment_of_a_bookmark(bookmark: Any, moment: str | None) -> None:
    found = moment_of(bookmark)
    assert (found and f"{found:%Y-%m-%d %H:%M}") == moment


@given(JSON)
def test_any_value_is_looked_at(value: Any) -> None:
    found = moment_of(value)
    assert found is None or found.tzinfo


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(hours=3), "3 h"),
        (timedelta(hours=-2, minutes=-14), "2 h 14 min"),
        (timedelta(days=400, seconds=5), "400 d"),
        (timedelta(seconds=45), "45 s"),
        (timedelta(0), "0 s"),
    ],
)
def test_a_span_in_words(span: timedelta, words: str) -> None:
    assert span_words(span) == words
