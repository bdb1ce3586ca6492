"""A column coerced at once is what its values are one by one, and the usual ones are."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.coercion import COERCERS, NOT_COERCIBLE
from etl_core.columns import coerced_at_once
from etl_core.connector import ColumnType, Verbatim

T = ColumnType

USUAL: dict[ColumnType, list[Any]] = {
    T.TEXT: ["", "a", "ä\n", "\U0001f600"],
    T.BIGINT: [0, -1, 2**63 - 1, -(2**63)],
    T.NUMERIC: [1, 2**80, 0.1, -1e300],
    T.BOOLEAN: [True, False],
    T.TIMESTAMPTZ: ["2024-02-29T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
    T.DATE: ["2024-02-29", "0001-01-01"],
    T.UUID: ["00000000-0000-0000-0000-00000000000a", "ffffffff-ffff-4fff-bfff-ffffffffffff"],
    T.JSONB: ["a", 1, True, {"a": [1.5, None, "\n"]}, [], "u0000"],
}
# Nearly as usual: each is refused, or staged otherwise than it stands.
UNUSUAL: dict[ColumnType, list[Any]] = {
    T.TEXT: ["\0", "\ud800", 1, True, ["a"]],
    T.BIGINT: [True, 1.0, "1", 2**63, -(2**63) - 1],
    T.NUMERIC: [True, "1.50", float("inf"), "1e5"],
    T.BOOLEAN: [1, 0, "yes"],
    T.TIMESTAMPTZ: [
        "2023-02-29T12:00:00Z",
        "2024-02-29 12:00:00Z",
        "2024-02-29T25:00:00Z",
        "2024-02-29T12:00:00+",
        "2024-02-29T12:00:0\nZ",
        "２024-02-29T12:00:00Z",
        "Z024-02-29T12:00:00Z",
    ],
    T.DATE: ["2023-02-29", "20240229", "2024-02-2\n", "2024-W01-1"],
    T.UUID: [
        "00000000-0000-0000-0000-00000000000A",
        "0000000000000000-0000-0000-000000000",
        "00000000-0000-0000-0000-0000000000  ",
        "00000000-0000-0000-0000-00000000000g",
        "{0000000-0000-0000-0000-00000000000}",
    ],
    T.JSONB: [
        "\0",
        {"\0": 1},
        ["\ud800"],
        float("nan"),
        1.5,
        "\\u0000",
        object(),
        Verbatim('{"b": 1}'),
        msgspec.Raw(b'{"a":\n1}'),
    ],
}


def one_by_one(type_: ColumnType, values: list[Any]) -> list[Any]:
    return [None if value is None else COERCERS[type_](value) for value in values]


@pytest.mark.parametrize("type_", list(ColumnType))
def test_usual_values_are_staged_at_once(type_: ColumnType) -> None:
    values = USUAL[type_] * 2
    assert list(coerced_at_once(type_, values) or ()) == one_by_one(type_, values)
    assert list(coerced_at_once(type_, [None, *values, None]) or ()) == [
        None,
        *one_by_one(type_, values),
        None,
    ]
    assert list(coerced_at_once(type_, [None, None]) or ()) == [None, None]


@pytest.mark.parametrize(
    ("type_", "value"), [(t, value) for t, values in UNUSUAL.items() for value in values]
)
def test_one_unusual_value_changes_nothing(type_: ColumnType, value: Any) -> None:
    values = [*USUAL[type_], value]
    at_once = coerced_at_once(type_, values)
    assert at_once is None or list(at_once) == one_by_one(type_, values)


@given(st.sampled_from(ColumnType), st.data())
def test_any_mixture_is_as_one_by_one(type_: ColumnType, data: st.DataObject) -> None:
    mixed = st.sampled_from([None, *(value for t in (T.TEXT, type_) for value in USUAL[t] + UNUSUAL[t])])
    values = data.draw(st.lists(mixed, min_size=1, max_size=6))
    at_once = coerced_at_once(type_, values)
    if at_once is None:
        return
    try:
        expected = one_by_one(type_, values)
    except NOT_COERCIBLE:
        pytest.fail(f"{values!r} was staged, though one of it does not fit")
    assert [(type(value), value) for value in at_once] == [(type(value), value) for value in expected]
