"""The strip of the schedule: a cell for each number, hours at their places."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from etl_core.rules.density import ASCII_BLOCKS, density_strip, hour_marks


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10_000), max_size=60), st.booleans())
def test_a_cell_for_each_and_what_is_more_is_never_lower(numbers: list[int], ascii_only: bool) -> None:
    strip = density_strip(numbers, ascii_only=ascii_only)
    assert len(strip) == len(numbers)
    assert [cell == " " for cell in strip] == [number == 0 for number in numbers]
    if ascii_only:
        heights = [ASCII_BLOCKS.index(cell) for _, cell in sorted(zip(numbers, strip, strict=True))]
        assert heights == sorted(heights)


@settings(max_examples=50)
@given(st.integers(0, 1439), st.integers(1, 48), st.integers(10, 200))
def test_hours_stand_where_they_are(minute: int, hours: int, cells: int) -> None:
    start = datetime(2025, 11, 24) + timedelta(minutes=minute)
    line = hour_marks(start, hours, cells)
    assert len(line) <= cells
    for word in line.split():
        assert len(word) == 5
        assert word.endswith(":00")
