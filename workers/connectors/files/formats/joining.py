"""The type that holds the values of two columns, as each format mixes its kinds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from etl_core.connector import ColumnType
from workers.connectors.files.config import DELIMITED, SEEKING, Format
from workers.connectors.files.formats.types import join_types

Join = Callable[[ColumnType | None, ColumnType | None], ColumnType | None]

_TIMES = frozenset({ColumnType.DATE, ColumnType.TIMESTAMPTZ})


def join_typed(one: ColumnType | None, other: ColumnType | None) -> ColumnType | None:
    """Of formats with types of their own: a day is a time, too, and what is nested stays JSON."""
    if one is not None and other is not None:
        both = {one, other}
        if both == _TIMES:
            return ColumnType.TIMESTAMPTZ
        if ColumnType.JSONB in both:
            return ColumnType.JSONB
    return join_types(one, other, mixed=ColumnType.TEXT)


def join_of(kind: Format) -> Join:
    if kind in SEEKING:
        return join_typed
    return partial(join_types, mixed=ColumnType.TEXT if kind in DELIMITED else ColumnType.JSONB)


def joined(
    one: Mapping[str, ColumnType | None], other: Mapping[str, ColumnType | None], join: Join
) -> dict[str, ColumnType | None]:
    """All columns of both, those of `one` first."""
    found = dict(one)
    for name, kind in other.items():
        found[name] = join(found.get(name), kind)
    return found
