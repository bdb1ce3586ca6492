"""Which column type holds a value, and which holds all values of a column. Pure.

Inference is strict, for a wrong guess damages data silently: a text is a number only if the number prints as
that very text could ("007", "+1" and " 1" are texts), and values of two kinds make a text, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from etl_core.connector import ColumnType

BIGINT_MIN, BIGINT_MAX = -(1 << 63), (1 << 63) - 1

_INTEGER = re.compile(r"0|-?[1-9][0-9]*").fullmatch
# An exponent counts only with a sign or a fraction: 1E5 may well be somebody's code.
_DECIMAL = re.compile(
    r"-?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?|-?(?:0|[1-9][0-9]*)(?:[eE][+-][0-9]{1,3})?"
).fullmatch
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
).fullmatch
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}").fullmatch

_MOST_DIGITS = 1_000
"""Longer digit strings stay text; PostgreSQL's numeric would take 131,072."""


def _is_bigint(text: str) -> bool:
    return bool(_INTEGER(text)) and len(text) <= 20 and BIGINT_MIN <= int(text) <= BIGINT_MAX


def _is_numeric(text: str) -> bool:
    return bool(_DECIMAL(text)) and len(text) <= _MOST_DIGITS


def _is_boolean(text: str) -> bool:
    return text in {"true", "false", "True", "False", "TRUE", "FALSE"}


def _is_date(text: str) -> bool:
    if not _DATE(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_timestamptz(text: str) -> bool:
    if not _TIMESTAMP(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_uuid(text: str) -> bool:
    return bool(_UUID(text))


_PREDICATES = {
    ColumnType.BIGINT: _is_bigint,
    ColumnType.NUMERIC: _is_numeric,
    ColumnType.BOOLEAN: _is_boolean,
    ColumnType.DATE: _is_date,
    ColumnType.TIMESTAMPTZ: _is_timestamptz,
    ColumnType.UUID: _is_uuid,
}
_IN_JSON_STRINGS = (ColumnType.DATE, ColumnType.TIMESTAMPTZ, ColumnType.UUID)
_TEXTUAL = frozenset({ColumnType.TEXT, *_IN_JSON_STRINGS})
_NUMBERS = frozenset({ColumnType.BIGINT, ColumnType.NUMERIC})


def type_of_text(text: str) -> ColumnType:
    """The narrowest type of a field of delimited text."""
    return next((kind for kind, fits in _PREDICATES.items() if fits(text)), ColumnType.TEXT)


def type_of_json(value: Any) -> ColumnType:
    """The narrowest type of a JSON value other than null; digits in quotes are text, as somebody meant."""
    match value:
        case bool():
            return ColumnType.BOOLEAN
        case int():
            return ColumnType.BIGINT if BIGINT_MIN <= value <= BIGINT_MAX else ColumnType.NUMERIC
        case float():
            return ColumnType.NUMERIC
        case str():
            return next((kind for kind in _IN_JSON_STRINGS if _PREDICATES[kind](value)), ColumnType.TEXT)
    return ColumnType.JSONB


STILL_FITS: dict[ColumnType, Callable[[Any], bool]] = {
    ColumnType.TEXT: lambda value: type(value) is str,
    ColumnType.BIGINT: lambda value: type(value) is int and BIGINT_MIN <= value <= BIGINT_MAX,
    ColumnType.NUMERIC: lambda value: type(value) is float or type(value) is int,
    ColumnType.BOOLEAN: lambda value: type(value) is bool,
    ColumnType.TIMESTAMPTZ: lambda value: type(value) is str and _is_timestamptz(value),
    ColumnType.DATE: lambda value: type(value) is str and _is_date(value),
    ColumnType.UUID: lambda value: type(value) is str and _is_uuid(value),
    ColumnType.JSONB: lambda value: True,
}
"""Whether a JSON value, not null, leaves a column of that type as it is; cheaper than to infer and join."""


def join_types(one: ColumnType | None, other: ColumnType | None, *, mixed: ColumnType) -> ColumnType | None:
    """The type that holds the values of both; None is a column without a value so far.

    `mixed` is the type for kinds that nothing else joins: text for delimited text, jsonb for JSON.
    """
    if one is None or one is other:
        return other
    if other is None:
        return one
    both = {one, other}
    if both <= _NUMBERS:
        return ColumnType.NUMERIC
    if both <= _TEXTUAL:
        return ColumnType.TEXT
    return mixed


class TextColumn:
    """The type of a column of delimited text, learned value by value."""

    __slots__ = ("_fits", "type")

    def __init__(self) -> None:
        self.type: ColumnType | None = None
        self._fits = _nothing_fits

    def learn(self, text: str) -> bool:
        """Takes a value in; False once no further value can change the type."""
        if not self._fits(text):
            self.type = join_types(self.type, type_of_text(text), mixed=ColumnType.TEXT)
            assert self.type is not None  # noqa: S101 - the join with a value's type has one
            if self.type is ColumnType.TEXT:
                return False
            self._fits = _PREDICATES[self.type]
        return True


def _nothing_fits(text: str) -> bool:
    return False
