"""Full refreshes: a walk through a whole stream tells what is gone from its source.

Each page adds the hashes of its keys to the ledger of its partition's walk, in the transaction of its load.
A walk begins where the checkpoint has no `resume`, and is whole as long as each page finds the checkpoint
just where the page before left it: a checkpoint edited, rewound or restored in mid-walk makes it end without
deletions. When the walks of all partitions of the stream (those with a checkpoint) are complete and whole,
all by one run and the retries that do what it left undone, rows that none of them saw are marked deleted. A
walk that says what it `covers` is judged alone, and only rows that it covers are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from etl_core.errors import Permanent
from etl_core.store.database import Connection
from etl_core.store.queries import load
from workers.loader import walk_statements as statements
from workers.loader.piecewise import REFUSALS
from workers.loader.target import TargetTable
from workers.transform import Row, TypedRows, key_of

MOST_GONE: Final = 0.5
"""A person must allow the deletion of a larger share of a table's rows."""

_loader = load("loader")

Fragment = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch has of one stream that is read as a whole."""

    table: TargetTable
    fragments: Sequence[Fragment]
    rows: TypedRows | None
    seen: Sequence[Row] = ()
    """Keys that were met and of which no record was read."""

    @property
    def completes(self) -> bool:
        """Whether it ends a walk."""
        return any(fragment["resume"] is None for fragment in self.fragments)

    @property
    def covers(self) -> Mapping[str, Any] | None:
        """What the walk that it ends was about; None: the whole stream."""
        covers: Mapping[str, Any] | None = self.fragments[0].get("covers") if self.fragments else None
        return covers

    @property
    def keys(self) -> list[Row]:
        """Also of records that were rejected, or not read: they are in the source."""
        if self.rows is None:
            return list(self.seen)
        return [self.rows.key(at) for at in range(len(self.rows))] + self.rows.rejected_keys + [*self.seen]


def steps_of(
    tables: Mapping[str, TargetTable],
    typed: Sequence[tuple[TargetTable, TypedRows]],
    fragments: Sequence[Fragment],
) -> list[Step]:
    """The steps of a batch, in the order of their streams: locks are taken in this order."""
    rows = {table.stream.name: each for table, each in typed}
    behind: dict[str, list[Fragment]] = {}
    seen: dict[str, Sequence[Mapping[str, Any]]] = {}
    for fragment in fragments:
        if fragment["stream"] is not None:  # it only carries what the page tells besides
            behind.setdefault(fragment["stream"], []).append(fragment)
        seen |= fragment.get("seen", {})
    return [
        Step(tables[name], behind.get(name, ()), rows.get(name), _keys_of(tables[name], seen.get(name, ())))
        for name in sorted({*rows, *behind, *seen})
        if name in tables and tables[name].stream.full_refresh and tables[name].key
    ]


def _keys_of(table: TargetTable, seen: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A key that is none of the table's (another type) is in no row."""
    return [key for each in seen if (key := key_of(table.stream, each)) is not None]


async def hold(conn: Connection, job_id: int, steps: Sequence[Step]) -> None:
    """Before rows of the destination are locked: two that end walks of one stream would miss each other."""
    for step in steps:
        lock = _loader.hold_walks_alone if step.completes else _loader.hold_walks
        await lock(conn, job_id=job_id, stream=step.table.stream.name)


async def take(
    conn: Connection,
    there: Connection,
    job_id: int,
    run_id: int,
    step: Step,
    *,
    knows_all: bool,
    allow_deletions: bool,
) -> int:
    """Takes a step in the load's transaction, before its checkpoint moves; how many rows it marked deleted.

    `there` is where the rows are: `conn`, or another database, in a transaction that commits first.
    `knows_all` is False when records of the batch were rejected whose keys are not known.

    Raises:
        Permanent: the walk saw no row, or too few of those that the table has, and nobody allowed it.
    """
    walk = {"job_id": job_id, "stream": step.table.stream.name}
    before = {row["partition"]: row async for row in _loader.read_walks(conn, **walk, run_id=run_id)}
    whole: dict[str, bool] = {}
    for fragment in step.fragments:
        partition = fragment["partition"]
        was = before.get(partition)
        if was is None or not was["is_in_walk"] or fragment.get("begins_anew"):
            await _loader.begin_walk(conn, **walk, partition=partition)
            whole[partition] = True
        else:
            whole[partition] = was["goes_on"] and was["is_whole"]
    hashes = await _hashes(there, step)
    knows_all = knows_all and hashes is not None
    only = step.fragments[0]["partition"] if len(step.fragments) == 1 else None
    if hashes:
        await _loader.add_walk_keys(conn, **walk, partition=only, hashes=hashes)
    if not step.fragments and not knows_all:
        await _loader.add_walk_keys(conn, **walk, partition=None, hashes=None)
    for fragment in step.fragments:
        partition = fragment["partition"]
        whole[partition] = whole[partition] and knows_all
        await _loader.move_walk(
            conn, **walk, partition=partition, resume=fragment["resume"], is_whole=whole[partition]
        )
    if not step.completes:
        return 0
    if (covers := step.covers) is not None:
        (partition,) = whole
        deleted = 0
        if whole[partition] and covers["values"]:
            deleted = await _delete_unseen(
                conn, there, step.table, run_id, job_id, allow_deletions=allow_deletions, covers=covers
            )
        await _loader.end_walk(conn, **walk, partition=partition)
        return deleted
    ended = {fragment["partition"] for fragment in step.fragments if fragment["resume"] is None}
    known = {*(name for name, row in before.items() if row["has_checkpoint"]), *whole}
    others = known - ended
    if any(name in whole or not before[name]["is_complete"] for name in others):
        return 0
    deleted = 0
    if all(whole[name] for name in ended) and all(before[name]["is_whole"] for name in others):
        deleted = await _delete_unseen(
            conn, there, step.table, run_id, job_id, allow_deletions=allow_deletions
        )
    await _loader.end_walks(conn, **walk)
    return deleted


async def _hashes(conn: Connection, step: Step) -> list[int] | None:
    """Of the batch's keys; None when the database cannot read one of them."""
    keys = step.keys
    if not keys:
        return []
    columns = [list(column) for column in zip(*keys, strict=True)]
    try:
        async with conn.transaction():
            hashes: list[int] = await conn.fetchval(statements.key_hashes(step.table), *columns)
    except REFUSALS:
        return None
    return hashes


async def _delete_unseen(
    conn: Connection,
    there: Connection,
    table: TargetTable,
    run_id: int,
    job_id: int,
    *,
    allow_deletions: bool,
    covers: Mapping[str, Any] | None = None,
) -> int:
    stream = table.stream.name
    column = None if covers is None else table.column_of(covers["column"])
    among = () if covers is None else (covers["values"],)
    # Elsewhere what was seen must be sent along: 8 bytes a key.
    ledger = job_id if there is conn else await _loader.walk_hashes(conn, job_id=job_id, stream=stream)
    found = await there.fetchrow(statements.count_unseen(table, column), ledger, stream, *among)
    if found is None or not found["unseen"] or not found["is_known"]:
        return 0
    live, unseen = found["live"], found["unseen"]
    if not found["seen"]:
        raise Permanent(
            f"stream {stream}: the source had no record at all, and {table} has {live:,}: none was deleted. "
            "If it is really empty, delete the rows by hand; else see why it yields nothing"
        )
    if unseen > live * MOST_GONE and not allow_deletions:
        raise Permanent(
            f"stream {stream}: {unseen:,} of {live:,} rows of {table} are not in the source any more; more "
            f"than {MOST_GONE:.0%} are deleted only when a person allows it: `etl-tui jobs run "
            "--allow-deletions`, once it is clear that they are really gone"
        )
    await there.execute(statements.delete_unseen(table, column), ledger, stream, run_id, *among)
    return int(unseen)
