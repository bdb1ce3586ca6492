"""Streams `within` another: lists inside its records, which come with its pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etl_core.connector import Record
from etl_core.errors import Permanent
from workers.connectors.rest.manifest import Manifest, template
from workers.connectors.rest.manifest.kinds import compile_expression
from workers.connectors.rest.walk import objects


class NestedRecords:
    """What the records of streams hold of others."""

    def __init__(self, manifest: Manifest, scope: Mapping[str, Any], wanted: Sequence[str]) -> None:
        self._scope = scope
        self._inside: dict[str, list[str]] = {}
        self._streams = manifest.streams
        for name in wanted:
            if (within := manifest.streams[name].within) is not None:
                self._inside.setdefault(within.stream, []).append(name)

    def of(self, owner: str, records: Sequence[Record]) -> Iterator[tuple[str, list[Record], list[Any]]]:
        """Stream, its records, and what stands there and is none."""
        for name in self._inside.get(owner, ()):
            found: list[Record] = []
            rejected: list[Any] = []
            for record in records:
                inner, others = objects(self._list(name, record))
                rejected += others
                found += [{**each, **self._added(name, record)} for each in inner]
            yield name, found, rejected

    def _list(self, name: str, record: Record) -> Sequence[Any]:
        """Most records hold none: what is absent is an empty list."""
        found = compile_expression(self._streams[name].records).search(record)
        if found is None:
            return ()
        return found if isinstance(found, list) else [found]

    def _added(self, name: str, record: Record) -> dict[str, Any]:
        scope = {**self._scope, "parent": record}
        try:
            return {field: template.value(text, scope) for field, text in self._streams[name].add.items()}
        except template.Missing as missing:
            raise Permanent(f"stream {name}: {missing} has no value, and `add` needs it") from None
