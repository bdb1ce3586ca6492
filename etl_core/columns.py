"""A column of a batch coerced at once: what `COERCERS` say of each value, several times cheaper.

Most columns hold values of one kind, already as they are staged or nearly. A look at all of them together
proves that; a column in which anything is unusual is left to the coercers, value by value. So there is
nothing here that decides what fits: only what surely does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import repeat
from math import isfinite
from operator import contains
from typing import Any, Final

import msgspec

from etl_core.coercion import BIGINT_MAX, BIGINT_MIN, NOT_COERCIBLE, Staged, as_json
from etl_core.connector import ColumnType, Verbatim

_NONE = type(None)
_AS_TEXT: Final = frozenset({ColumnType.NUMERIC, ColumnType.TIMESTAMPTZ, ColumnType.DATE, ColumnType.JSONB})
"""What may come as PostgreSQL writes it."""
_encode_lines = msgspec.json.Encoder(enc_hook=as_json).encode_lines


def coerced_at_once(type_: ColumnType, values: Sequence[Any]) -> Sequence[Staged] | None:
    """The staged values of a column, None for null; None if it must be looked into value by value."""
    kinds = set(map(type, values))
    if _NONE not in kinds:
        return _coerced(type_, values, kinds)
    kinds.remove(_NONE)
    if not kinds:
        return values
    there = _coerced(type_, [value for value in values if value is not None], kinds)
    if there is None:
        return None
    each = iter(there)
    return [None if value is None else next(each) for value in values]


def _coerced(type_: ColumnType, values: Sequence[Any], kinds: set[type]) -> Sequence[Staged] | None:
    """Of values without None; `kinds` are the types they have."""
    if kinds == {Verbatim}:
        return list(map(str, values)) if type_ in _AS_TEXT else None
    if Verbatim in kinds:
        return None
    try:
        return _AT_ONCE[type_](values, kinds)
    except NOT_COERCIBLE:
        return None


def _text(values: Sequence[Any], kinds: set[type]) -> Sequence[Staged] | None:
    if kinds != {str}:
        return None
    if any(map(contains, values, repeat("\0"))):
        return None
    if not all(map(str.isascii, values)):
        for _ in map(str.encode, values):  # raises for a lone surrogate
            pass
    return values


def _bigint(values: Sequence[Any], kinds: set[type]) -> Sequence[Staged] | None:
    fits = kinds == {int} and min(values) >= BIGINT_MIN and max(values) <= BIGINT_MAX
    return values if fits else None


def _numeric(values: Sequence[Any], kinds: set[type]) -> Sequence[Staged] | None:
    if kinds == {int} or (kinds <= {int, float} and all(map(isfinite, values))):
        return list(map(repr, values))  # raises for integers of more than 4,300 digits
    return None


def _boolean(values: Sequence[Any], kinds: set[type]) -> Sequence[Staged] | None:
    return values if kinds == {bool} else None


def _timestamptz(values: Sequence[Any], kinds: set[type]) -> Sequence[Staged] | None:
    """`2024-05-01T12:00:00Z`, as most sources write it."""
    joined = _alike(values, kinds, "....-..-..T..:..:..Z")
    if joined is None:
        return None
    for _ in map(datetime.fromisoformat, values):  # raises for what is no time
        pass
    return joined.replace("Z", "+00:00").split("\n")


def _date(values: Sequence[Any], kinds: set[type]) -> Sequence[Staged] | None:
    if _alike(values, kinds, "....-..-..") is None:
        return None
    for _ in map(date.fromisoformat, values):
        pass
    return values


def _uuid(values: Sequence[Any], kinds: set[type]) -> Sequence[Staged] | None:
    """As they are printed: in lower case, with hyphens."""
    joined = _alike(values, kinds, "........-....-....-....-............")
    if joined is None or joined != joined.lower():
        return None
    digits = joined.replace("-", "").replace("\n", "")
    # It passes over spaces, which then are missing.
    return values if len(bytes.fromhex(digits)) == 16 * len(values) else None


def _jsonb(values: Sequence[Any], kinds: set[type]) -> Sequence[Staged] | None:
    if float in kinds:
        return None  # NaN is null
    lines = _encode_lines(values)
    if b"\\u0000" in lines:
        return None
    staged = lines.decode().split("\n")[:-1]
    # Encoded JSON has no line end of its own, but for what somebody encoded before (`msgspec.Raw`).
    return staged if len(staged) == len(values) else None


_AT_ONCE: Final[dict[ColumnType, Callable[[Sequence[Any], set[type]], Sequence[Staged] | None]]] = {
    ColumnType.TEXT: _text,
    ColumnType.BIGINT: _bigint,
    ColumnType.NUMERIC: _numeric,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.TIMESTAMPTZ: _timestamptz,
    ColumnType.DATE: _date,
    ColumnType.UUID: _uuid,
    ColumnType.JSONB: _jsonb,
}


def _alike(values: Sequence[str], kinds: set[type], pattern: str) -> str | None:
    """A line each, if all are ASCII texts as long as the pattern with its marks; a dot is any character."""
    if kinds != {str} or set(map(len, values)) != {len(pattern)}:
        return None
    joined = "\n".join(values)
    if not joined.isascii():
        return None
    step, number = len(pattern) + 1, len(values)
    for at, mark in enumerate(pattern):
        if mark != "." and joined[at::step] != mark * number:
            return None
    return joined
