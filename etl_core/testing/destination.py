"""A destination in memory: what a worker makes of pages, in dictionaries in place of tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from etl_core.coercion import COERCERS, NOT_COERCIBLE, reason_for
from etl_core.connector import (
    Connector,
    Covers,
    Fragment,
    Page,
    PartitionFailure,
    PartitionState,
    Record,
    Reject,
    Stream,
)
from etl_core.errors import BadRecord
from etl_core.stored_state import models_of

Place = tuple[str, str]
"""Stream, partition."""
Checkpoint = dict[Place, PartitionState]
Rows = dict[str, dict[Any, Record]]


@dataclass
class _Walk:
    """What a full refresh has seen of one partition so far."""

    seen: set[Any] = field(default_factory=set)
    is_complete: bool = False


@dataclass
class Destination:
    """Tables by stream, and the checkpoint that moves with them."""

    rows: Rows = field(default_factory=dict)
    """Stream -> key (for append-only streams: number of the row) -> row; without those that are deleted."""
    checkpoint: Checkpoint = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Messages of records that `transform` refused, that do not fit their columns or have no key."""
    failures: list[PartitionFailure] = field(default_factory=list)
    pages: int = 0
    """Of the last run, as the next one."""
    records: int = 0
    _deleted: Rows = field(default_factory=dict)
    _walks: dict[str, dict[str, _Walk]] = field(default_factory=dict)

    def load(self, connector: Connector, streams: Mapping[str, Stream], page: Page) -> None:
        """Merges a page and moves the checkpoint, as one transaction does.

        Raises:
            AssertionError: the page is none that a worker could load.
        """
        self.pages += 1
        before = dict(self.checkpoint)
        keys: dict[str, set[Any]] = {}
        for name, records in page.records.items():
            assert name in streams, f"records of stream {name!r}, which discover did not name"
            self.records += len(records)
            keys[name] = {self._merge(connector, streams[name], record) for record in records}
        for name, seen in page.seen.items():
            keys.setdefault(name, set()).update(
                tuple(e[column] for column in streams[name].key) for e in seen
            )
        self.rejects += page.rejects
        self.failures += page.failures
        for fragment in page.checkpoint:
            self._move(fragment)
            _expect_models_to_fit(connector, fragment)
        for name, gone in page.deleted.items():
            self._delete(streams, name, _is_named(gone, streams[name].key))
        for name, parents in page.whole_of.items():
            self._keep(streams, name, {str(parent) for parent in parents}, keys.get(name, set()))
        for stream in streams.values():
            if stream.full_refresh:
                self._refresh(streams, stream.name, page, keys.get(stream.name, set()), before)

    def begin_run(self) -> None:
        """Counts start anew."""
        self.pages = self.records = 0

    @property
    def rejected(self) -> int:
        """Records that are not in a table, over all runs."""
        return len(self.rejects) + len(self.refused)

    def forget_resumes(self) -> None:
        """What a person does to a walk that is stuck: the next run starts at the bookmarks."""
        for place, state in self.checkpoint.items():
            self.checkpoint[place] = PartitionState(state.bookmark, None)
        self._walks.clear()

    def _merge(self, connector: Connector, stream: Stream, record: Record) -> Any:
        """The key of the record's row; None where it is refused."""
        table = self.rows.setdefault(stream.name, {})
        gone = self._deleted.setdefault(stream.name, {})
        try:
            row = connector.transform(stream, record)
            _expect_to_fit(stream, row)
        except BadRecord as refused:
            self.refused.append(str(refused))
            return None
        json.dumps(row)
        key = tuple(row[column] for column in stream.key) or len(table)
        before = table.pop(key, None) or gone.pop(key, {})
        table[key] = {**before, **row}
        return key

    def _move(self, fragment: Fragment) -> None:
        place = (fragment.stream, fragment.partition)
        # Through JSON, as Postgres stores it.
        stored = json.loads(json.dumps([fragment.bookmark, fragment.resume]))
        assert stored == [fragment.bookmark, fragment.resume], "a checkpoint comes back from JSON as it was"
        if fragment.resume is not None:
            was = self.checkpoint.get(place, PartitionState()).bookmark
            assert fragment.bookmark == was, "a bookmark moves only where a walk is complete"
        self.checkpoint[place] = PartitionState(*stored)

    def _keep(self, streams: Mapping[str, Stream], name: str, parents: set[str], keys: set[Any]) -> None:
        """The page has all children of these parents."""
        parent = streams[name].parent
        assert parent, f"stream {name} is of no parent"
        self._delete(
            streams, name, lambda key, row: str(row.get(parent.column)) in parents and key not in keys
        )

    def _refresh(
        self, streams: Mapping[str, Stream], name: str, page: Page, keys: set[Any], before: Checkpoint
    ) -> None:
        """Deletes what whole walks did not see."""
        walks = self._walks.setdefault(name, {})
        fragments = [fragment for fragment in page.checkpoint if fragment.stream == name]
        for partition in {fragment.partition for fragment in fragments} or {""}:
            walks.setdefault(partition, _Walk()).seen.update(keys)
        for fragment in fragments:
            if fragment.begins_anew:
                walks[fragment.partition].seen = set(keys)
            walks[fragment.partition].is_complete = fragment.resume is None
            if fragment.covers:
                seen = walks.pop(fragment.partition).seen
                self._delete(streams, name, _uncovered(fragment.covers, seen))
                return
        known = {partition for stream, partition in {**before, **self.checkpoint} if stream == name}
        if fragments and all(partition in walks and walks[partition].is_complete for partition in known):
            everything = set[Any]().union(*(walk.seen for walk in walks.values()))
            self._delete(streams, name, lambda key, _: key not in everything)
            walks.clear()

    def _delete(
        self, streams: Mapping[str, Stream], name: str, is_gone: Callable[[Any, Record], bool]
    ) -> None:
        """Marks rows deleted, and the children of each with it."""
        table = self.rows.setdefault(name, {})
        gone = {key: row for key, row in table.items() if is_gone(key, row)}
        if not gone:
            return
        self.rows[name] = {key: row for key, row in table.items() if key not in gone}
        self._deleted.setdefault(name, {}).update(gone)
        parents = {str(key[0]) for key in gone if isinstance(key, tuple) and len(key) == 1}
        for child in streams.values():
            if child.parent and child.parent.stream == name:
                self._keep(streams, child.name, parents, set())


def _expect_models_to_fit(connector: Connector, fragment: Fragment) -> None:
    """What people edit is checked by the connector's models: what it writes itself must pass them."""
    models = models_of(connector, fragment.stream, fragment.partition)
    for model, value in zip(models or (), (fragment.bookmark, fragment.resume), strict=False):
        if value is not None:
            model.model_validate(value)


def _expect_to_fit(stream: Stream, row: Record) -> None:
    """Raises BadRecord where a worker would reject the row."""
    for column in stream.columns:
        value = row.get(column.name)
        if value is None or (isinstance(value, float) and not isfinite(value)):
            continue
        try:
            COERCERS[column.type](value)
        except NOT_COERCIBLE:
            raise BadRecord(reason_for(column.name, column.type, value)) from None
    if any(row.get(column) is None for column in stream.key):
        raise BadRecord(f"a record of {stream.name} without its key")


def _uncovered(covers: Covers, seen: set[Any]) -> Callable[[Any, Record], bool]:
    values = set(covers.values)
    return lambda key, row: str(row.get(covers.column)) in values and key not in seen


def _is_named(gone: Sequence[Record], key: Sequence[str]) -> Callable[[Any, Record], bool]:
    named = {_key(each, key) for each in gone}
    return lambda found, _: found in named


def _key(record: Record, key: Sequence[str]) -> Any:
    return tuple(record[column] for column in key)
