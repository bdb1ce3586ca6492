"""Records to typed rows: what fits, what is rejected and why, what absent and twice mean."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.coercion import COERCERS
from etl_core.columns import coerced_at_once
from etl_core.connector import Column, ColumnType, Record, Stream, Verbatim
from etl_core.errors import BadRecord
from workers import payload, transform
from workers.fields import fields_of
from workers.payload import decode, encode
from workers.transform import MAX_KEY_BYTES, Reject, TypedRows, transform_records

T = ColumnType
STREAM = Stream("things", (Column("id", T.BIGINT), Column("a", T.TEXT), Column("b", T.TEXT)), key=("id",))


class Plain:
    def transform(self, stream: Stream, record: Record) -> Record:
        if record.get("a") == "refuse":
            raise BadRecord("no\x00good \ud800")
        return record


def typed(records: list[dict[str, Any]], stream: Stream = STREAM) -> TypedRows:
    return transform_records(Plain(), stream, records)


def one(type_: ColumnType, value: Any) -> TypedRows:
    return typed([{"v": value}], Stream("one", (Column("v", type_),)))


FITS: list[tuple[ColumnType, Any, Any]] = [
    (T.TEXT, "", ""),
    (T.TEXT, 12, "12"),
    (T.TEXT, 1.5, "1.5"),
    (T.TEXT, True, "true"),
    (T.TEXT, ["ä", 1], '["ä",1]'),
    (T.TEXT, ["\x00"], '["\\u0000"]'),
    (T.TEXT, Decimal("1.10"), "1.10"),
    (T.TEXT, date(2024, 1, 1), "2024-01-01"),
    (T.TEXT, b"\x00\xff", "AP8="),
    (T.BIGINT, 2**63 - 1, 2**63 - 1),
    (T.BIGINT, -(2**63), -(2**63)),
    (T.BIGINT, " +12 ", 12),
    (T.BIGINT, 12.0, 12),
    (T.NUMERIC, 2**200, str(2**200)),
    (T.NUMERIC, "-1.50", "-1.50"),
    (T.NUMERIC, "1e5", "1E+5"),
    (T.NUMERIC, 0.1, "0.1"),
    (T.NUMERIC, ".5", "0.5"),
    (T.BOOLEAN, True, True),
    (T.BOOLEAN, "F", False),
    (T.BOOLEAN, "yes", True),
    (T.BOOLEAN, "0", False),
    (T.TIMESTAMPTZ, "2024-02-29T12:00:00Z", "2024-02-29T12:00:00+00:00"),
    (T.TIMESTAMPTZ, "2024-02-29 12:00:00.123456789+02:00", "2024-02-29T10:00:00.123456+00:00"),
    (T.TIMESTAMPTZ, "2024-02-29T12:00:00", "2024-02-29T12:00:00+00:00"),
    (T.TIMESTAMPTZ, "2024-02-29", "2024-02-29T00:00:00+00:00"),
    (T.TIMESTAMPTZ, date(2024, 2, 29), "2024-02-29T00:00:00+00:00"),
    (T.TIMESTAMPTZ, datetime.min, "0001-01-01T00:00:00+00:00"),
    (T.DATE, "9999-12-31", "9999-12-31"),
    (T.DATE, "2024-02-29T00:00:00Z", "2024-02-29"),
    (T.UUID, "{0000000000000000000000000000000A}", "00000000-0000-0000-0000-00000000000a"),
    (T.JSONB, "a", '"a"'),
    (T.JSONB, {"a": [1, None]}, '{"a":[1,null]}'),
    (T.JSONB, {"a": "\\u0000"}, '{"a":"\\\\u0000"}'),
    (T.JSONB, float("nan"), None),
    (T.NUMERIC, float("inf"), None),
]

DOES_NOT: list[tuple[ColumnType, Any]] = [
    (T.TEXT, "a\x00b"),
    (T.TEXT, "\ud800"),
    (T.BIGINT, 2**63),
    (T.BIGINT, -(2**63) - 1),
    (T.BIGINT, True),
    (T.BIGINT, "1_000"),
    (T.BIGINT, "١٢"),
    (T.BIGINT, ""),
    (T.BIGINT, 1.5),
    (T.BIGINT, "9" * 5000),
    (T.NUMERIC, "NaN"),
    (T.NUMERIC, Decimal("Infinity")),
    (T.NUMERIC, Decimal("NaN")),
    (T.NUMERIC, False),
    (T.NUMERIC, "1e200000"),
    (T.NUMERIC, Decimal("1e-20000")),
    (T.NUMERIC, "1,5"),
    (T.BOOLEAN, 1),
    (T.BOOLEAN, "maybe"),
    (T.TIMESTAMPTZ, 1700000000),
    (T.TIMESTAMPTZ, "2023-02-29T00:00:00Z"),
    (T.TIMESTAMPTZ, "0000-00-00 00:00:00"),
    (T.TIMESTAMPTZ, "12024-01-01T00:00:00Z"),
    (T.TIMESTAMPTZ, datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))),
    (T.TIMESTAMPTZ, "now"),
    (T.DATE, "2024-02-30"),
    (T.DATE, "2024-02-29T12:00:00"),
    (T.DATE, 20240101),
    (T.UUID, "nope"),
    (T.UUID, 7),
    (T.JSONB, {"a": "x\x00"}),
    (T.JSONB, {"\x00": 1}),
    (T.JSONB, ["\udfff"]),
    (T.JSONB, {"a": "\\\x00"}),
]


@pytest.mark.parametrize(("type_", "value", "staged"), FITS)
def test_what_fits(type_: ColumnType, value: Any, staged: Any) -> None:
    result = one(type_, value)
    assert (result.rows, result.rejects) == ([(staged,)], [])


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (T.NUMERIC, "NaN"),
        (T.TIMESTAMPTZ, "infinity"),
        (T.DATE, "0044-03-15 BC"),
        (T.JSONB, '{"a": 1.10}'),
    ],
)
def test_what_postgresql_wrote_is_staged_as_it_stands(type_: ColumnType, text: str) -> None:
    assert one(type_, Verbatim(text)).rows == [(text,)]
    staged = coerced_at_once(type_, [Verbatim(text), None])
    for value in (staged[0] if staged else None, COERCERS[type_](Verbatim(text))):
        assert (value, type(value)) == (text, str)


@pytest.mark.parametrize(("type_", "value"), DOES_NOT)
def test_what_does_not_fit_is_rejected_by_column_value_and_type(type_: ColumnType, value: Any) -> None:
    result = one(type_, value)
    assert result.rows == []
    (reject,) = result.rejects
    assert reject.reason.startswith("column v: ")
    assert type_.value in reject.reason
    assert len(reject.reason) < 200
    assert "\x00" not in reject.reason
    assert len(reject.hash) == 16


@pytest.mark.parametrize("type_", list(ColumnType))
def test_every_type_is_carried_the_same_in_memory_and_stored(type_: ColumnType) -> None:
    """A batch carried on in memory must load as the one read back after a crash."""
    values = [value for fit, value, _ in FITS if fit is type_] + [
        value for no, value in DOES_NOT if no is type_
    ]
    for value in [*values, None, float("nan"), float("inf")]:
        (read_back,) = decode(encode({"s": [{"v": value}]}))["s"]
        assert one(type_, value).rows == one(type_, read_back["v"]).rows, value


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=()))
    | st.text("0123456789-+:.TZeE _")
    | st.binary()
    | st.decimals()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
    | st.uuids(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


@given(st.sampled_from(list(ColumnType)), ANYTHING)
def test_no_value_whatever_stops_a_batch(type_: ColumnType, value: Any) -> None:
    result = one(type_, value)
    assert len(result.rows) + len(result.rejects) == 1
    for stored in [row[0] for row in result.rows]:
        assert stored is None or type(stored) in (str, int, bool)


def test_deep_nesting_is_rejected_not_raised() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    assert len(one(T.JSONB, deep).rejects) == 1


def test_a_reason_shows_only_the_beginning_of_a_value() -> None:
    (reject,) = one(T.BIGINT, "secret " * 50).rejects
    assert reject.reason.count("secret") < 8
    (reject,) = one(T.BIGINT, {"token": "secret"}).rejects
    assert "secret" not in reject.reason


def test_one_bad_record_is_rejected_alone() -> None:
    result = typed([{"id": 1}, {"id": "x"}, {"id": 2, "a": "refuse"}, {"id": 3}])
    assert result.rows == [(1, None, None), (3, None, None)]
    assert [reject.reason for reject in result.rejects] == [
        "column id: 'x' cannot be stored as bigint",
        "no\\x00good \\ud800",
    ]
    assert result.rejects[0].payload == b'{"id":"x"}'


@pytest.mark.parametrize("record", [{"a": "x"}, {"id": None}, {"id": float("nan")}])
def test_a_key_must_be_there(record: dict[str, Any]) -> None:
    (reject,) = typed([record]).rejects
    assert reject.reason == "key column id is missing or null"


def test_a_key_must_fit_into_an_index() -> None:
    stream = Stream("s", (Column("id", T.TEXT),), key=("id",))
    assert len(typed([{"id": "x" * MAX_KEY_BYTES}], stream)) == 1
    (reject,) = typed([{"id": "ä" * MAX_KEY_BYTES}], stream).rejects
    assert "5200 bytes" in reject.reason


def test_absent_is_not_null() -> None:
    result = typed([{"id": 1, "a": None}, {"id": 2, "b": "x"}])
    assert result.rows == [(1, None, None), (2, None, "x")]
    assert result.present == [0b011, 0b101]


def test_records_of_one_key_are_folded_field_by_field() -> None:
    result = typed(
        [{"id": 1, "a": "old", "b": "b"}, {"id": 2}, {"id": "1", "a": None}, {"id": 1, "a": "new"}]
    )
    assert result.rows == [(1, "new", "b"), (2, None, None)]
    assert result.present == [0b111, 0b001]
    assert result.folded == 2


def test_each_row_knows_its_record() -> None:
    result = typed([{"id": 1}, {"id": "x"}, {"id": 2, "a": "old"}, {"id": 3}, {"id": 2, "a": "new"}])
    assert result.origins == [0, -1, 3]
    part = result.part(1, 3)
    assert (part.rows, part.present, part.origins) == (result.rows[1:], result.present[1:], [-1, 3])
    assert (part.rejects, part.folded) == ([], 0)
    assert [result.record(at) for at in range(3)] == [{"id": 1}, {"id": 2, "a": "new"}, {"id": 3}]
    assert [result.key(at) for at in range(3)] == [(1,), (2,), (3,)]
    assert encode({"s": [one(T.JSONB, {"a": [1]}).record(0)]}) == encode({"s": [{"v": {"a": [1]}}]})


def test_a_rejected_record_may_still_have_a_key() -> None:
    stream = Stream("things", (*STREAM.columns, Column("n", T.BIGINT)), key=("a", "id"))
    result = typed(
        [
            {"id": "7", "a": "x", "n": "many"},
            {"id": 8, "a": "y", "b": "\x00"},
            {"id": "none", "a": "x"},
            {"a": "x", "n": "many"},
            {"id": 1, "a": "refuse"},
        ],
        stream,
    )
    assert len(result.rejects) == 5
    assert result.rejected_keys == [("x", 7), ("y", 8)]
    assert result.rejects_without_key == 3


def test_without_a_key_nothing_is_folded() -> None:
    assert len(typed([{"id": 1}, {"id": 1}], Stream("log", STREAM.columns))) == 2


def test_unknown_fields_are_counted() -> None:
    result = typed([{"id": 1, "x": 1}, {"id": 2, "x": 2, "y": 3}])
    assert result.unknown_fields == {"x": 2, "y": 1}
    many = typed([{"id": 1, **{f"f{i}": i for i in range(1000)}}])
    assert len(many.unknown_fields) == 100


def test_the_same_record_is_the_same_reject() -> None:
    assert Reject.of("s", {"a": 1}, "r") == Reject.of("s", {"a": 1}, "r")
    assert Reject.of("s", {"a": 1}, "r").hash != Reject.of("s", {"a": 2}, "r").hash
    assert Reject.of_text("s", "torn \ud800", "r").payload == b"torn \\ud800"


def test_there_is_a_coercer_for_every_type() -> None:
    assert set(COERCERS) == set(ColumnType)
    assert COERCERS[T.UUID](uuid.UUID(int=1)) == "00000000-0000-0000-0000-000000000001"
    assert COERCERS[T.TIMESTAMPTZ](datetime(2024, 1, 1, tzinfo=UTC)) == "2024-01-01T00:00:00+00:00"


RECORDS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.sampled_from([1, 2, 3, "4", None, "x"]),
            "a": st.sampled_from(["", "new", "refuse", None]),
            "c": st.just(1),
        },
    ),
    max_size=12,
)


@given(RECORDS, st.integers(1, 5))
def test_in_pieces_or_at_once_the_rows_are_the_same(records: list[dict[str, Any]], at_once: int) -> None:
    """Folding and what is refused know nothing of pieces."""
    whole = typed(records)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(transform, "AT_ONCE", at_once)
        assert typed(records) == whole


def test_of_a_large_page_few_records_are_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As objects they take several times their text: 3,000 documents of 64 KB cost a worker 170 MB."""
    monkeypatch.setattr(payload, "LARGE", 1)
    monkeypatch.setattr(payload, "PIECE", 1_000)
    late = decode(encode({"s": [{"id": n, "a": "x" * 200} for n in range(50)]}))["s"]
    seen: list[int] = []

    def counted(records: Sequence[Record], columns: Sequence[str]) -> Any:
        seen.append(len(records))
        return fields_of(records, columns)

    monkeypatch.setattr(transform, "fields_of", counted)
    assert len(transform_records(Plain(), STREAM, late)) == 50
    assert sum(seen) == 50
    assert max(seen) <= 5
