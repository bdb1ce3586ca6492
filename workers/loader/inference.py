"""The columns of streams that declare none: what the records of a batch ask of their table.

A value's type is its JSON type, as it is after it was stored: dates and times are text unless a column of
theirs is declared. Columns only ever widen, and by the rules of `statements.WIDENINGS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, Final

from etl_core.coercion import BIGINT_MAX, BIGINT_MIN
from etl_core.connector import Column, ColumnType, Record, Stream
from etl_core.errors import BadRecord
from workers.transform import Transforms

_T = ColumnType
_BY_PYTHON_TYPE: Final[dict[type, ColumnType]] = {
    bool: _T.BOOLEAN,
    int: _T.BIGINT,
    float: _T.NUMERIC,
    str: _T.TEXT,
    dict: _T.JSONB,
    list: _T.JSONB,
    tuple: _T.JSONB,
}
_NUMBERS: Final = frozenset({_T.BIGINT, _T.NUMERIC})
_TAKES_ALL: Final = frozenset({_T.TEXT, _T.JSONB})
# Nobody infers these: a person or the stream declared them, and what does not fit is rejected.
_DECLARED: Final = frozenset({_T.TIMESTAMPTZ, _T.DATE, _T.UUID})


class Rehearsal:
    """A connector that keeps what it makes of records, so that they can be looked at before they are typed.

    It is given the records twice, in the same order; the second time it only repeats itself.
    """

    def __init__(self, connector: Transforms, stream: Stream) -> None:
        self._connector = connector
        self._stream = stream
        self._outcomes: list[Record | BadRecord] = []
        self._again: Iterator[Record | BadRecord] | None = None

    @property
    def rows(self) -> list[Record]:
        """What it made so far of records that can be used."""
        return [outcome for outcome in self._outcomes if not isinstance(outcome, BadRecord)]

    def repeat(self) -> None:
        """The first record comes again."""
        self._again = iter(self._outcomes)

    def transform(self, stream: Stream, record: Record) -> Record:
        outcome = self._first(record) if self._again is None else next(self._again)
        if isinstance(outcome, BadRecord):
            raise outcome
        return outcome

    def _first(self, record: Record) -> Record | BadRecord:
        outcome: Record | BadRecord
        try:
            outcome = self._connector.transform(self._stream, record)
            for name in outcome:
                _check_name(name)
        except BadRecord as error:
            outcome = error
        self._outcomes.append(outcome)
        return outcome


def infer_columns(
    known: Mapping[str, ColumnType], fixed: Iterable[str], rows: Iterable[Record]
) -> tuple[Column, ...]:
    """Columns that `rows` need and that are not `known`, or not wide enough; those of `fixed` never change.

    A field that is always null has no column yet.
    """
    seen: dict[str, set[ColumnType]] = {}
    for row in rows:
        for name, value in row.items():
            type_ = _type_of(value)
            if type_ is not None:
                seen.setdefault(name, set()).add(type_)
    for name in fixed:
        seen.pop(name, None)
    wanted = ((name, known.get(name), _widest(known.get(name), types)) for name, types in seen.items())
    return tuple(Column(name, type_) for name, was, type_ in wanted if type_ is not was)


def with_key(stream: Stream) -> Stream:
    """The stream with a column for each part of its key: if no record had it, each is rejected for that."""
    have = {column.name for column in stream.columns}
    missing: Sequence[Column] = [Column(name, _T.TEXT) for name in stream.key if name not in have]
    return Stream(stream.name, (*stream.columns, *missing), stream.key, stream.infer, stream.full_refresh)


def _type_of(value: Any) -> ColumnType | None:
    if value is None:
        return None
    if type(value) is int and not BIGINT_MIN <= value <= BIGINT_MAX:
        return _T.NUMERIC
    if type(value) is float and not isfinite(value):
        return None  # null, as a stored payload has it
    found = _BY_PYTHON_TYPE.get(type(value))
    if found is None:
        found = _T.JSONB if isinstance(value, Mapping) else _T.TEXT
    return found


def _widest(was: ColumnType | None, types: set[ColumnType]) -> ColumnType:
    """The narrowest type that holds both; text holds everything, and so does jsonb."""
    if was in _TAKES_ALL or was in _DECLARED:
        return was
    if was is None and _T.JSONB in types:
        return _T.JSONB
    together = types if was is None else types | {was}
    if len(together) == 1:
        return next(iter(together))
    return _T.NUMERIC if together <= _NUMBERS else _T.TEXT


def _check_name(name: str) -> None:
    try:
        fits = "\x00" not in name and name.encode() is not None
    except UnicodeEncodeError:
        fits = False
    if not fits:
        raise BadRecord(f"field {name[:40]!a}: a name with a NUL or a lone surrogate cannot be a column's")
