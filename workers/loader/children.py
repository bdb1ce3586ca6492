"""Rows that are gone: of which the source says so, and that belong to a row of another stream.

A page may name keys that are deleted (`Page.deleted`). One that holds all children of a parent
(`Page.whole_of`) tells which are not there any more: those that the page lacks. And when parents are marked
deleted, by a walk that ends or by name, their children go with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl_core.store.database import Connection
from workers.loader import children_statements as statements
from workers.loader.target import TargetTable
from workers.loader.walks import Step, steps_of
from workers.transform import Row, TypedRows, key_of


@dataclass(frozen=True, slots=True)
class Kept:
    """What a batch says of the children in one table: all that these parents have are `keys`."""

    table: TargetTable
    parents: Sequence[str]
    keys: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Named:
    """Keys of one table that the source says are deleted."""

    table: TargetTable
    keys: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Gone:
    """What a batch tells of rows that are not in the source any more."""

    steps: Sequence[Step] = ()
    kept: Sequence[Kept] = ()
    named: Sequence[Named] = ()

    @property
    def tables(self) -> list[TargetTable]:
        """Where rows may be marked."""
        marks: tuple[Step | Kept | Named, ...] = (*self.steps, *self.kept, *self.named)
        return [each.table for each in marks]


def what_is_gone(
    tables: Mapping[str, TargetTable],
    typed: Sequence[tuple[TargetTable, TypedRows]],
    fragments: Sequence[Mapping[str, Any]],
) -> Gone:
    """What a batch of these rows and fragments tells."""
    return Gone(
        steps_of(tables, typed, fragments), _kept_of(tables, typed, fragments), _named_of(tables, fragments)
    )


def _kept_of(
    tables: Mapping[str, TargetTable],
    typed: Sequence[tuple[TargetTable, TypedRows]],
    fragments: Sequence[Mapping[str, Any]],
) -> list[Kept]:
    """In the order of their streams: locks are taken in this order.

    Nothing of a stream that has a record whose key is not known: it may be any of the rows.
    """
    whole: dict[str, Sequence[Any]] = {}
    for fragment in fragments:
        whole |= fragment.get("whole_of", {})
    rows = {table.stream.name: each for table, each in typed}
    kept = []
    for name in sorted(whole):
        table = tables[name]
        if table.stream.parent is None or not table.key or not table.is_made:
            continue
        there = rows.get(name)
        if there is not None and there.rejects_without_key:
            continue
        keys = [] if there is None else [there.key(at) for at in range(len(there))] + there.rejected_keys
        kept.append(Kept(table, [str(value) for value in whole[name]], keys))
    return kept


def _named_of(tables: Mapping[str, TargetTable], fragments: Sequence[Mapping[str, Any]]) -> list[Named]:
    """In the order of their streams. A key that is none of the table's (another type) is in no row."""
    named: dict[str, Sequence[Mapping[str, Any]]] = {}
    for fragment in fragments:
        named |= fragment.get("deleted", {})
    found = []
    for name in sorted(named):
        table = tables[name]
        if not table.key or not table.is_made:
            continue
        keys = [key for each in named[name] if (key := key_of(table.stream, each)) is not None]
        if keys:
            found.append(Named(table, keys))
    return found


async def delete_named(there: Connection, run_id: int, gone: Gone) -> int:
    """Marks rows deleted that the source named, behind the merge of the page's rows; how many."""
    deleted = 0
    for each in gone.named:
        columns = [list(column) for column in zip(*each.keys, strict=True)]
        deleted += await there.fetchval(statements.delete_keys(each.table), run_id, *columns)
    return deleted


async def delete_children(
    there: Connection, tables: Mapping[str, TargetTable], run_id: int, gone: Gone
) -> int:
    """How many rows were marked deleted, in the load's transaction, after its walks were taken further.

    `there` is where the rows are.
    """
    deleted = 0
    for each in gone.kept:
        columns = [list(column) for column in zip(*each.keys, strict=True)] or [[] for _ in each.table.key]
        deleted += await there.fetchval(
            statements.delete_unkept(each.table), run_id, list(each.parents), *columns
        )
    parents = [step.table for step in gone.steps if step.completes] + [each.table for each in gone.named]
    for parent in parents:
        for table in _children_of(parent, tables):
            deleted += await there.fetchval(statements.delete_orphans(table, parent), run_id)
    return deleted


def _children_of(parent: TargetTable, tables: Mapping[str, TargetTable]) -> list[TargetTable]:
    """The tables of a stream's children, in the order of their names."""
    return [
        table
        for _, table in sorted(tables.items())
        if table.stream.parent and table.stream.parent.stream == parent.stream.name and table.is_made
    ]
