"""A field's value as its column's type wants it. Pure.

Rows hold JSON values: bigint is an int; numeric an int, a float or, from text, the exact decimal as a str;
timestamptz, date and uuid are ISO 8601 texts and canonical uuid texts; jsonb is any value. A time without an
offset is UTC. Declared types read more generously than inference does: "007" is a bigint if somebody says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec

from etl_core.connector import ColumnType
from workers.connectors.files.formats.types import BIGINT_MAX, BIGINT_MIN

Converter = Callable[[Any], Any]
"""From a value that is not null; raises ValueError where it does not fit."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,1000}").fullmatch
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}


def _bigint(value: Any) -> int:
    if isinstance(value, str) and _INTEGER(text := value.strip()):
        number = int(text)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    else:
        raise ValueError
    if not BIGINT_MIN <= number <= BIGINT_MAX:
        raise ValueError
    return number


def _numeric(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        if not _DECIMAL(text):
            raise ValueError
        return text
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    found = _BOOLEANS.get(str(value).strip().lower()) if isinstance(value, str | int) else None
    if found is None:
        raise ValueError
    return found


def _date(value: Any) -> str:
    return date.fromisoformat(_text_only(value)).isoformat()


def _timestamptz(value: Any) -> str:
    moment = datetime.fromisoformat(_text_only(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _uuid(value: Any) -> str:
    return str(UUID(_text_only(value)))


def _text_only(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - one kind of error for all that does not fit
    return value.strip()


def _text(value: Any) -> str:
    """Text as it is; other JSON values, which only a declared text column meets, as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _json_in_text(value: Any) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.MsgspecError:
        raise ValueError from None


_CONVERTERS: dict[ColumnType, Converter] = {
    ColumnType.TEXT: _text,
    ColumnType.BIGINT: _bigint,
    ColumnType.NUMERIC: _numeric,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.DATE: _date,
    ColumnType.TIMESTAMPTZ: _timestamptz,
    ColumnType.UUID: _uuid,
    ColumnType.JSONB: _json_in_text,
}


def converter(kind: ColumnType) -> Converter:
    """The conversion of delimited text into `kind`; a jsonb column holds JSON written out."""
    return _CONVERTERS[kind]
