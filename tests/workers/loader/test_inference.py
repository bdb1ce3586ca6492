"""Columns that nobody declared: from the values that records have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.coercion import COERCERS
from etl_core.connector import Column, ColumnType, Stream
from workers.loader.inference import infer_columns
from workers.loader.statements import WIDENINGS

T = ColumnType
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=3)
    | st.just({"a": 1})
    | st.just([1])
)


def inferred(*values: Any, was: ColumnType | None = None, fixed: bool = False) -> ColumnType | None:
    columns = infer_columns(
        {"v": was} if was else {}, ["v"] if fixed else [], [{"v": value} for value in values]
    )
    return columns[0].type if columns else None


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([True, None], T.BOOLEAN),
        ([1, -(2**63)], T.BIGINT),
        ([1, 2**63], T.NUMERIC),
        ([1, 1.5], T.NUMERIC),
        (["2024-05-01T12:00:00Z"], T.TEXT),
        ([{"a": 1}], T.JSONB),
        ([[1], 1, "x"], T.JSONB),
        ([1, "x"], T.TEXT),
        ([True, 1], T.TEXT),
        ([None], None),
        ([float("nan")], None),
    ],
)
def test_a_new_column(values: list[Any], type_: ColumnType | None) -> None:
    assert inferred(*values) is type_


@pytest.mark.parametrize(
    ("was", "value", "type_"),
    [
        (T.BIGINT, 5, None),
        (T.BIGINT, 2**70, T.NUMERIC),
        (T.BIGINT, 0.5, T.NUMERIC),
        (T.BIGINT, "x", T.TEXT),
        (T.BIGINT, {}, T.TEXT),
        (T.NUMERIC, 1, None),
        (T.BOOLEAN, 1, T.TEXT),
        (T.TEXT, {}, None),
        (T.JSONB, 1, None),
        (T.DATE, "no date", None),
        (T.TIMESTAMPTZ, 5, None),
    ],
)
def test_a_column_that_is_there(was: ColumnType, value: Any, type_: ColumnType | None) -> None:
    assert inferred(value, was=was) is type_


def test_what_a_stream_declares_stays() -> None:
    assert inferred("x", was=T.BIGINT, fixed=True) is None


@given(st.lists(st.lists(VALUES, max_size=5), max_size=5))
def test_whatever_comes_fits_in_the_end_and_each_change_loses_nothing(batches: list[list[Any]]) -> None:
    was: ColumnType | None = None
    for values in batches:
        wider = inferred(*values, was=was)
        if wider is not None:
            assert was is None or (was, wider) in WIDENINGS
            was = wider
        for value in values:
            if value is not None:
                assert was is not None
                COERCERS[was](value)


def test_an_inferred_stream_may_name_a_key_that_it_does_not_declare() -> None:
    assert Stream("s", (), ("id",), infer=True).key == ("id",)
    with pytest.raises(ValueError, match="key column 'id' is not among its columns"):
        Stream("s", (Column("a", T.TEXT),), ("id",))
