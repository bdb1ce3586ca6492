"""What a simulated API holds, and how that changes: by seed, with every version remembered."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]
Facts = dict[str, Any]
BEGAN = datetime(2026, 3, 1, 8, tzinfo=UTC)


@dataclass
class Version:
    """What a record was from one change of the world to the next; no row: it was not there."""

    since: int
    row: Row | None


@dataclass
class Table:
    """The records of one kind. `make` makes one of a number; `edit` changes one in place."""

    world: World
    make: Callable[[random.Random, int], Row]
    edit: Callable[[random.Random, Row], None]
    key: str = "id"
    stamps: bool = True
    """Records carry `created_at` and `updated_at`."""
    deletes: bool = True
    rows: dict[Any, Row] = field(default_factory=dict)
    versions: dict[Any, list[Version]] = field(default_factory=dict)
    made: int = 0

    def add(self, **fields: Any) -> Row:
        self.made += 1
        row = {**self.make(self.world.rng, self.made), **fields}
        self.world.tick()
        if self.stamps:
            row |= {"created_at": self.world.stamp(), "updated_at": self.world.stamp()}
        self.rows[row[self.key]] = row
        self._remember(row[self.key])
        return row

    def update(self, key: Any, **fields: Any) -> None:
        row = self.rows[key]
        self.edit(self.world.rng, row)
        row |= fields
        self.world.tick()
        if self.stamps:
            row["updated_at"] = self.world.stamp()
        self._remember(key)

    def delete(self, key: Any) -> None:
        del self.rows[key]
        self.world.tick()
        self._remember(key)

    def change(self) -> None:
        """As people do: mostly edits, some new ones, now and then a deletion."""
        rng = self.world.rng
        what = rng.random()
        keys = list(self.rows)
        if what < 0.25 or len(keys) < 3:
            self.add()
        elif what < 0.4 and self.deletes:
            self.delete(rng.choice(keys))
        else:
            self.update(rng.choice(keys))

    def _remember(self, key: Any) -> None:
        row = self.rows.get(key)
        self.versions.setdefault(key, []).append(
            Version(self.world.changes, None if row is None else dict(row))
        )

    def at(self, key: Any, change: int) -> Row | None:
        """What a record was behind a change."""
        found = None
        for version in self.versions.get(key, ()):
            if version.since <= change:
                found = version.row
        return found

    def during(self, key: Any, since: int) -> Iterator[Row | None]:
        """Every version of a record from a change on."""
        yield self.at(key, since)
        yield from (version.row for version in self.versions.get(key, ()) if version.since > since)

    def changed_since(self, change: int) -> list[Any]:
        """Keys in the order of their last change."""
        last = {key: versions[-1].since for key, versions in self.versions.items()}
        return sorted((key for key, at in last.items() if at > change), key=lambda key: last[key])


@dataclass
class World:
    """Several tables, one clock: each change and each request takes simulated time."""

    seed: int = 0
    changes: int = 0
    now: datetime = BEGAN

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.tables: dict[str, Table] = {}

    def table(self, name: str, make: Callable[[random.Random, int], Row], **options: Any) -> Table:
        options.setdefault("edit", edit_name)
        self.tables[name] = Table(self, make, **options)
        return self.tables[name]

    def tick(self) -> None:
        """Changes come close together: some within one millisecond."""
        self.changes += 1
        self.now += timedelta(milliseconds=self.rng.choice((0, 0, 1, 700, 5_000)))

    def stamp(self) -> str:
        return iso(self.now)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1_000:03d}Z"


def edit_name(rng: random.Random, row: Row) -> None:
    row["name"] = f"{row['name'].split(' #')[0]} #{rng.randrange(10**6)}"


def differences(
    table: Table,
    loaded: dict[Any, Facts],
    facts: Callable[[Row], Facts],
    since: int,
    *,
    deletions: bool = True,
) -> list[str]:
    """What is not the world at some moment from change `since` on: lost, doubled, or of another time.

    Of each record some version of that time was loaded, and a record that was there all the time is there.
    Without `deletions` the API does not tell them, so that rows of deleted records may stand.
    """
    wrong = []
    for key in table.versions:
        possible = [None if row is None else facts(row) for row in table.during(key, since)]
        found = loaded.get(key)
        if not deletions and None in possible:
            continue
        if found not in possible:
            wrong.append(f"{key}: loaded {found}, and it was {possible}")
    return wrong + [f"{key}: a row of nothing" for key in set(loaded) - set(table.versions)]
