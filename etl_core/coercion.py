"""From a source's JSON value to what COPY stages for a column, one plain function per column type.

Staged are str, int and bool only (`workers.loader.statements.STAGED_TYPES`). Times, dates, numerics and jsonb
travel as text and are cast in the merge: the driver stores `date.max` and `datetime.min` as infinity, and
text is faster than its Decimal codec. All text is made here, so it depends on no session setting.

A coercer gets any value but None and non-finite floats (null, as in a stored payload) and raises ValueError
for one that does not fit; the sentence is the caller's (`reason_for`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

import msgspec

from etl_core.connector import ColumnType, Verbatim

Staged = str | int | bool | None
Coercer = Callable[[Any], Staged]

BIGINT_MIN: Final = -(2**63)
BIGINT_MAX: Final = 2**63 - 1
_SHOWN = 40
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}([T ].+)?", re.DOTALL)
# An escaped NUL, and not an escaped backslash before the letters u0000.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
# What PostgreSQL's numeric holds: digits before and after the point.
_NUMERIC_WHOLE, _NUMERIC_FRACTION = 131_072, 16_383


def text(value: Any) -> Staged:
    """Text as it is; numbers, booleans, lists and objects as their JSON. No NUL, no lone surrogates."""
    if not isinstance(value, str):
        value = _json_scalar(value)
    if "\x00" in value:
        raise ValueError("NUL")
    value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
    return str(value)


def bigint(value: Any) -> Staged:
    """An integer of 64 bits: int, a float without fraction, or decimal digits; never a boolean."""
    if type(value) is not int:
        if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
            value = int(value)
        elif isinstance(value, float | Decimal) and value == (whole := _whole(value)):
            value = whole
        else:
            raise ValueError("not an integer")
    if not BIGINT_MIN <= value <= BIGINT_MAX:
        raise ValueError("out of range")
    return int(value)


def numeric(value: Any) -> Staged:
    """A decimal number of any size PostgreSQL holds, exactly as written. NaN and infinity are refused."""
    if type(value) is Verbatim:
        return str(value)
    if isinstance(value, bool):
        raise ValueError("not a number")  # noqa: TRY004 - one error for all that does not fit
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value := value.strip()):
            raise ValueError("not a number")
        number = _decimal(value)
    elif isinstance(value, int | Decimal):
        number = Decimal(value)
    else:
        raise ValueError("not a number")  # noqa: TRY004 - one error for all that does not fit
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):  # "n", "N", "F": NaN and infinity
        raise ValueError("not finite")  # noqa: TRY004 - one error for all that does not fit
    if number.adjusted() >= _NUMERIC_WHOLE or -exponent > _NUMERIC_FRACTION:
        raise ValueError("out of range")
    return str(number)


def boolean(value: Any) -> Staged:
    """A boolean, or the words for one that PostgreSQL knows; a number is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    raise ValueError("not a boolean")


def timestamptz(value: Any) -> Staged:
    """ISO 8601, years 1 to 9999, to the microsecond; without a zone it is UTC. Epoch numbers are refused.

    Finer fractions are cut off. Returned in UTC, `2024-05-01T12:00:00+00:00`.
    """
    if type(value) is Verbatim:
        return str(value)
    if isinstance(value, str) and _TIME.fullmatch(value := value.strip()):
        moment = datetime.fromisoformat(value)
        if len(value) == 20 and moment.tzinfo is UTC:  # 2024-05-01T12:00:00Z says it all
            return f"{value[:10]}T{value[11:19]}+00:00"
        value = moment
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise ValueError("not a time")  # noqa: TRY004 - one error for all that does not fit
    if value.tzinfo is None:
        return value.isoformat() + "+00:00"
    try:
        return value.astimezone(UTC).isoformat()
    except OverflowError:
        raise ValueError("out of range") from None


def calendar_date(value: Any) -> Staged:
    """`YYYY-MM-DD`, or a time of exactly midnight, whose date it is."""
    if type(value) is Verbatim:
        return str(value)
    if isinstance(value, str):
        value = value.strip()
        value = date.fromisoformat(value) if _DATE.fullmatch(value) else datetime.fromisoformat(value)
    if isinstance(value, datetime):
        if (value.hour, value.minute, value.second, value.microsecond) != (0, 0, 0, 0):
            raise ValueError("not a date")
        value = value.date()
    if not isinstance(value, date):
        raise ValueError("not a date")  # noqa: TRY004 - one error for all that does not fit
    return value.isoformat()


def uuid(value: Any) -> Staged:
    """A UUID in any of its written forms."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        return str(UUID(value.strip()))
    raise ValueError("not a UUID")


def jsonb(value: Any) -> Staged:
    """Any JSON value (a str is a JSON string, never parsed); no NUL and no lone surrogate anywhere in it."""
    if type(value) is Verbatim:
        return str(value)
    staged = msgspec.json.encode(value, enc_hook=as_json).decode()
    if "\\u0000" in staged and _ESCAPED_NUL.search(staged):
        raise ValueError("NUL")
    return staged


COERCERS: Final[dict[ColumnType, Coercer]] = {
    ColumnType.TEXT: text,
    ColumnType.BIGINT: bigint,
    ColumnType.NUMERIC: numeric,
    ColumnType.BOOLEAN: boolean,
    ColumnType.TIMESTAMPTZ: timestamptz,
    ColumnType.DATE: calendar_date,
    ColumnType.UUID: uuid,
    ColumnType.JSONB: jsonb,
}

NOT_COERCIBLE: Final = (ValueError, TypeError, OverflowError, RecursionError)
"""What a coercer raises for a value that does not fit (TypeError: msgspec, for what is not JSON)."""


def as_json(value: Any) -> Any:
    """msgspec's hook for what it does not know: other mappings and sequences are objects and lists."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def reason_for(column: str, type_: ColumnType, value: Any) -> str:
    """Why a record is rejected: column, type, and the beginning of the value in printable ASCII."""
    shown = ascii(value[:_SHOWN] if isinstance(value, str | bytes) else _cut(value))
    if len(shown) > _SHOWN:
        shown = shown[: _SHOWN - 1] + "…"
    elif isinstance(value, str | bytes) and len(value) > _SHOWN:
        shown += "…"
    return f"column {column}: {shown} cannot be stored as {type_.value}{_hint(type_, value)}"


def _hint(type_: ColumnType, value: Any) -> str:
    if type_ in (ColumnType.TEXT, ColumnType.JSONB):
        return " (PostgreSQL holds no NUL character and no lone surrogate)"
    if type_ is ColumnType.BIGINT and isinstance(value, int) and not isinstance(value, bool):
        return " (64 bits)"
    if type_ is ColumnType.TIMESTAMPTZ:
        return " (ISO 8601, years 1 to 9999)"
    return ""


def _cut(value: Any) -> Any:
    """A value whose `ascii` is cheap and says what it is."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return f"integer of {value.bit_length()} bits"
    if isinstance(value, dict):
        return f"object of {len(value)} fields"
    if isinstance(value, list | tuple):
        return f"list of {len(value)}"
    return value


def _json_scalar(value: Any) -> str:
    """The JSON text of what is not a str, a plain string without its quotes (dates, UUIDs, Decimal)."""
    plain = msgspec.to_builtins(value, builtin_types=(), enc_hook=as_json)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def _whole(value: float | Decimal) -> int | None:
    try:
        return int(value)
    except (ValueError, OverflowError):  # NaN, infinity
        return None


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise ValueError("not a number") from None
