"""Sees that a JSON line changes nothing of what is known of its file, far cheaper than by looking into it.

Most lines of a file are alike. Once their columns are known, a decoder made for just these types refuses
every line that has another field, another type, or no key; those are looked into one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from etl_core.connector import ColumnType
from workers.connectors.files.types import BIGINT_MAX, BIGINT_MIN, STILL_FITS

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
        self._texts: list[tuple[str, Callable[[Any], bool]]] = []
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
                self._texts.append((field, STILL_FITS[kind]))
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
            record = self._decode(line)
        except (msgspec.MsgspecError, RecursionError):
            return False
        for field, fits in self._texts:
            value = getattr(record, field)
            if value is not None and not fits(value):
                return False
        return True
