"""The partitions of a stream: its parents' records, or the values that it is read for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog

from etl_core.connector import Record
from etl_core.errors import Permanent
from workers.connectors.rest.api import Api, Skipped
from workers.connectors.rest.manifest import template
from workers.connectors.rest.manifest.stream import StreamSpec, Values
from workers.connectors.rest.rows import RowMaker
from workers.connectors.rest.walk import Walk, objects

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Partition:
    """One, with what names mean in it."""

    name: str
    scope: Mapping[str, Any]


class Family:
    """Who is whose parent in one run. Parents are read once, and of each is kept what its children name."""

    def __init__(self, api: Api, makers: Mapping[str, RowMaker], *, is_trial: bool = False) -> None:
        """`is_trial`: the first answer with parents is enough."""
        self._api = api
        self._is_trial = is_trial
        self._makers = makers
        self._streams = api.manifest.streams
        self._known: dict[str, dict[str, Record]] = {}
        """Stream -> key of a record as text -> what its children need of it."""

    async def partitions(self, name: str) -> list[Partition]:
        """Of a stream with a parent or values, by name.

        Raises: SourceError: the parents cannot be listed.
        """
        spec = self._streams[name]
        if spec.partitions is not None:
            return [
                Partition(value, {**self._api.scope, "partition": {"value": value}})
                for value in sorted(set(self._values(name, spec.partitions)))
            ]
        if spec.parent is None:
            raise ValueError(f"stream {name} has no partitions")
        parents = await self._records(spec.parent.stream)
        found: dict[str, Partition] = {}
        for key, record in parents.items():
            scope = {**self._api.scope, "parent": record}
            try:
                partition = template.render(spec.parent.partition, scope) if spec.parent.partition else key
            except template.Missing as missing:
                raise Permanent(f"stream {name}: a record of {spec.parent.stream} has no {missing}") from None
            found[partition] = Partition(partition, scope)
        return [found[partition] for partition in sorted(found)]

    def learn(self, name: str, records: Iterable[Record], into: dict[str, Record]) -> None:
        """Keeps of a parent's records what children need; `learned` when all have come."""
        needed = self._needed(name)
        for record in records:
            key = "/".join(str(value) for value in self._makers[name].key(record).values()) or str(len(into))
            if self._makers[name].is_deletion(record):
                into.pop(key, None)
            else:
                into[key] = {field: record[field] for field in needed if field in record}

    def learned(self, name: str, records: dict[str, Record]) -> None:
        """All of a stream's records, from a walk of this run that was whole."""
        self._known[name] = records

    def has_children(self, name: str) -> bool:
        return any(spec.parent and spec.parent.stream == name for spec in self._streams.values())

    async def _records(self, name: str) -> Mapping[str, Record]:
        if name not in self._known:
            found: dict[str, Record] = {}
            async with aclosing(self._list(name)) as lists:
                async for records in lists:
                    self.learn(name, records, found)
                    if self._is_trial and found:
                        break
            self._known[name] = found
        return self._known[name]

    async def _list(self, name: str) -> AsyncGenerator[list[Record]]:
        """All records of a stream as they are now, whatever its checkpoint says."""
        spec = self._streams[name]
        is_divided = spec.parent is not None or spec.partitions is not None
        parts = await self.partitions(name) if is_divided else [Partition("", self._api.scope)]
        for part in parts:
            added = self.added(spec, part.scope)
            try:
                async for step in Walk(self._api, name, spec, part.scope, everything=True).steps():
                    records, _ = objects(step.records)
                    yield [{**record, **added} for record in records] if added else records
            except Skipped as skipped:
                log.debug("left out", stream=name, partition=part.name, reason=str(skipped))

    def added(self, spec: StreamSpec, scope: template.Scope) -> dict[str, Any]:
        """The fields that the manifest adds to each record."""
        try:
            return {field: template.value(text, scope) for field, text in spec.add.items()}
        except template.Missing as missing:
            raise Permanent(f"{missing} has no value, and `add` of the manifest needs it") from None

    def _values(self, name: str, partitions: Values) -> tuple[str, ...]:
        given = partitions.values
        texts = (given,) if isinstance(given, str) else given
        try:
            values = [template.value(text, self._api.scope) for text in texts]
        except template.Missing as missing:
            raise Permanent(f"stream {name}: {missing} has no value") from None
        return tuple(
            str(each) for one in values for each in (one if isinstance(one, list | tuple) else [one])
        )

    def _needed(self, name: str) -> set[str]:
        """The fields of a parent's records that its children name."""
        found = set(self._streams[name].key)
        for spec in self._streams.values():
            if spec.parent is not None and spec.parent.stream == name:
                found |= {
                    reference.path[1] for reference in _references(spec) if reference.path[0] == "parent"
                }
        return found


def _references(spec: StreamSpec) -> list[template.Reference]:
    texts: list[Any] = [spec.path, *spec.params.values(), *spec.headers.values(), *spec.add.values()]
    texts.append(spec.parent.partition if spec.parent else None)
    flat = [each for text in texts for each in (text if isinstance(text, tuple) else [text])]
    return [reference for text in flat if isinstance(text, str) for reference in template.references(text)]
