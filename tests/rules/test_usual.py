"""The band of what is usual."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.usual import FEWEST, usual_band

VALUES = st.lists(st.floats(0, 1e9), min_size=FEWEST, max_size=40)


@given(VALUES)
def test_most_values_lie_in_it_and_it_among_them(values: list[float]) -> None:
    band = usual_band(values)
    assert band is not None
    assert min(values) <= band.low <= band.middle <= band.high <= max(values)
    inside = sum(band.place(value) == "usual" for value in values)
    assert inside >= 0.6 * len(values)
    assert sum(value < band.low for value in values) <= 0.1 * len(values) + 1
    assert sum(value > band.high for value in values) <= 0.1 * len(values) + 1


@given(st.lists(st.floats(0, 1e9), max_size=FEWEST - 1))
def test_few_runs_are_no_habit(values: list[float]) -> None:
    assert usual_band(values) is None
