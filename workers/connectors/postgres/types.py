"""From the types of PostgreSQL to those of a destination's columns. Pure.

Numbers, times and JSON travel as PostgreSQL writes them and are loaded so (`Verbatim`): what it can hold
arrives, NaN, infinity and years before Christ included. What the destination has no type for is text in
PostgreSQL's own form, which can be cast back (intervals as ISO 8601, bytea as hexadecimal digits); arrays and
composite types are JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from etl_core.connector import ColumnType

_T = ColumnType


@dataclass(frozen=True, slots=True)
class SourceType:
    """A type, domains taken off."""

    base: str
    """`pg_type.typname`."""
    category: str
    """`pg_type.typcategory`: A is an array."""
    kind: str
    """`pg_type.typtype`: c is a composite type."""
    cast: str
    """What a text is cast to in order to get a value back."""


class Family(Enum):
    """What can be reckoned with the values of a cursor column."""

    INTEGER = "integer"
    NUMBER = "number"
    ZONED = "a time"
    TIME = "a time without a zone"
    DATE = "a date"
    OTHER = "another type"


VERBATIM: Final = frozenset({_T.NUMERIC, _T.TIMESTAMPTZ, _T.DATE, _T.JSONB})
"""Column types whose values are loaded as they were written."""

_CARRIED: Final[dict[str, tuple[ColumnType, str]]] = {
    "int2": (_T.BIGINT, "{}::bigint"),
    "int4": (_T.BIGINT, "{}::bigint"),
    "int8": (_T.BIGINT, "{}::bigint"),
    "oid": (_T.BIGINT, "{}::bigint"),
    "bool": (_T.BOOLEAN, "{}::boolean"),
    "numeric": (_T.NUMERIC, "{}::text"),
    "float4": (_T.NUMERIC, "{}::text"),
    "float8": (_T.NUMERIC, "{}::text"),
    "money": (_T.NUMERIC, "{}::numeric::text"),
    "timestamptz": (_T.TIMESTAMPTZ, "{}::text"),
    "timestamp": (_T.TIMESTAMPTZ, "({} AT TIME ZONE {zone})::text"),
    "date": (_T.DATE, "{}::text"),
    "uuid": (_T.UUID, "{}::text"),
    "json": (_T.JSONB, "{}::text"),
    "jsonb": (_T.JSONB, "{}::text"),
    "hstore": (_T.JSONB, "to_jsonb({})::text"),
    # A cast to text would take the blanks off its end.
    "bpchar": (_T.TEXT, "{}"),
}
_FAMILIES: Final = {
    "int2": Family.INTEGER,
    "int4": Family.INTEGER,
    "int8": Family.INTEGER,
    "numeric": Family.NUMBER,
    "float4": Family.NUMBER,
    "float8": Family.NUMBER,
    "timestamptz": Family.ZONED,
    "timestamp": Family.TIME,
    "date": Family.DATE,
}
LEAST: Final = {"int2": -(2**15), "int4": -(2**31), "int8": -(2**63)}


def carried(type_: SourceType, *, as_text: bool) -> tuple[ColumnType, str]:
    """The destination's type, and the expression of a value; `{}` is the column, `{zone}` a zone's name."""
    if as_text:
        return _T.TEXT, "{}::text"
    if type_.base in _CARRIED:
        return _CARRIED[type_.base]
    if type_.category == "A" or type_.kind == "c":
        return _T.JSONB, "to_jsonb({})::text"
    return _T.TEXT, "{}::text"


def family(type_: SourceType) -> Family:
    return _FAMILIES.get(type_.base, Family.OTHER)


def default_overlap(kind: Family) -> float:
    """In seconds, or in numbers."""
    match kind:
        case Family.ZONED | Family.TIME:
            return 300
        case Family.DATE:
            return 86_400
        case Family.INTEGER:
            return 1_000
    return 0
