"""Sees that a JSON line changes nothing of what is known of its file, far cheaper than by looking into it.

Most lines of a file are alike. Once their columns are known, a decoder made for just these types refuses
every line that has another field, another type, or no key; those are looked into one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from etl_core.columns import coerced_at_once
from etl_core.connector import ColumnType
from workers.connectors.files.formats.types import BIGINT_MAX, BIGINT_MIN, STILL_FITS

_DECODED: dict[ColumnType, Any] = {
    ColumnType.TEXT: str,
    ColumnType.BIGINT: Annotated[int, msgspec.Meta(ge=BIGINT_MIN, le=BIGINT_MAX)],
    ColumnType.NUMERIC: float,
    ColumnType.BOOLEAN: bool,
    ColumnType.DATE: str,
    ColumnType.TIMESTAMPTZ: str,
    ColumnType.UUID: str,
    ColumnType.JSONB: msgspec.Raw,
}
_NOT_NULL = int | float | str | bool | list[Any] | dict[str, Any]
_LOOKED_AT = (ColumnType.DATE, ColumnType.TIMESTAMPTZ, ColumnType.UUID)


class KnownShape:
    """For columns as they are known now, and the key that a record must have."""

    def __init__(
        self, columns: Mapping[str, ColumnType | None], declared: Mapping[str, ColumnType], key: Sequence[str]
    ) -> None:
        """`columns` of type None had only nulls so far; the type of a `declared` one is not inferred."""
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        self._texts: list[tuple[str, ColumnType]] = []
        for number, (name, kind) in enumerate(columns.items()):
            field = f"f{number}"
            decoded = msgspec.Raw if name in declared or kind is None else _DECODED[kind]
            if name in key:
                fields.append((field, _NOT_NULL if decoded is msgspec.Raw else decoded))
            elif kind is None and name not in declared:
                fields.append((field, None, None))
            else:
                fields.append((field, decoded if decoded is msgspec.Raw else decoded | None, None))
            if kind in _LOOKED_AT and name not in declared:
                self._texts.append((field, kind))
        shape = msgspec.defstruct(
            "Shape",
            fields,
            rename={f"f{number}": name for number, name in enumerate(columns)},
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(shape).decode

    def holds(self, line: str) -> bool:
        """Whether the line is a record that adds nothing to the columns; False says nothing."""
        if "\\u0000" in line:
            return False
        try:
            return self._adds_nothing([self._decode(line)])
        except (msgspec.MsgspecError, RecursionError):
            return False

    def count(self, lines: Sequence[str]) -> int | None:
        """How many records `lines` are if each adds nothing to the columns; there is no NUL in them.

        Raises:
            MsgspecError, RecursionError: one may add something.
        """
        return len(lines) if self._adds_nothing(list(map(self._decode, lines))) else None

    def _adds_nothing(self, records: Sequence[Any]) -> bool:
        for field, kind in self._texts:
            values = list(map(attrgetter(field), records))
            if coerced_at_once(kind, values) is None:
                fits = STILL_FITS[kind]
                if not all(value is None or fits(value) for value in values):
                    return False
        return True
