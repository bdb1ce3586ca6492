"""From an API's records to rows: the columns of a manifest, their key, and which say that it is deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from etl_core.connector import Column, Parent, Record, Stream
from workers.connectors.rest.manifest import Manifest, template
from workers.connectors.rest.manifest.kinds import compile_expression
from workers.connectors.rest.manifest.stream import StreamSpec

_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_ABSENT: Final[Any] = object()

Getter = Callable[[Record], Any]
"""The value of a column, or _ABSENT."""


class RowMaker:
    """Makes the rows of one stream."""

    def __init__(self, spec: StreamSpec) -> None:
        self._columns = {name: _getter(column.value or f'"{name}"') for name, column in spec.columns.items()}
        self._plain = {name for name, column in spec.columns.items() if column.value is None}
        self._infers = spec.infers
        self._leave_out = frozenset(spec.leave_out)
        self._key = spec.key
        self._deleted = compile_expression(spec.deleted) if spec.deleted else None

    def row(self, record: Record) -> Record:
        """A field that is not there is absent, not null."""
        if not self._columns and not self._leave_out:
            return record
        found: dict[str, Any] = {}
        for name, get in self._columns.items():
            value = record.get(name, _ABSENT) if name in self._plain else get(record)
            if value is not _ABSENT:
                found[name] = value
        if self._infers:
            found |= {
                name: value
                for name, value in record.items()
                if name not in self._columns and name not in self._leave_out
            }
        return found

    @property
    def tells_deletions(self) -> bool:
        return self._deleted is not None

    def is_deletion(self, record: Record) -> bool:
        """Whether the record says that its key was deleted."""
        return self._deleted is not None and bool(self._deleted.search(record))

    def key(self, record: Record) -> dict[str, Any]:
        """The key columns that the record has."""
        found = {}
        for name in self._key:
            get = self._columns.get(name)
            value = record.get(name, _ABSENT) if get is None or name in self._plain else get(record)
            if value is not _ABSENT:
                found[name] = value
        return found


def stream_of(name: str, manifest: Manifest, *, full_refresh: bool) -> Stream:
    """What `discover` tells of a stream."""
    spec = manifest.streams[name]
    columns = tuple(Column(column, of.type) for column, of in spec.columns.items())
    return Stream(
        name,
        columns,
        spec.key,
        infer=spec.infers,
        full_refresh=full_refresh,
        parent=_parent_of(spec, manifest),
    )


def _parent_of(spec: StreamSpec, manifest: Manifest) -> Parent | None:
    """Whose rows take this stream's with them: `add` says which column holds the only key of a parent."""
    relation = spec.within or spec.parent
    if relation is None or not spec.key:
        return None
    key = manifest.streams[relation.stream].key
    for column, text in spec.add.items():
        parts = template.parse(text)
        declared = column in spec.columns or spec.infers
        if declared and len(key) == 1 and parts == (template.Reference(("parent", key[0])),):
            return Parent(relation.stream, column)
    return None


def _getter(expression: str) -> Getter:
    """JMESPath says null for what is absent; a path of names alone can tell the two apart."""
    if _DOTTED.fullmatch(expression):
        return _dotted(tuple(expression.split(".")))
    return compile_expression(expression).search


def _dotted(names: tuple[str, ...]) -> Getter:
    def get(record: Record) -> Any:
        found: Any = record
        for name in names:
            if found is None:
                return None
            if not isinstance(found, Mapping) or name not in found:
                return _ABSENT
            found = found[name]
        return found

    return get
