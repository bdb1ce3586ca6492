"""What a batch's records have, field by field: their values by column, and which of them had which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etl_core.connector import Record


@dataclass(frozen=True, slots=True)
class Fields:
    """Of records, one after another."""

    values: list[list[Any]]
    """By column; None where a record lacks the field."""
    present: list[int]
    """By record, bit i: it has column i."""
    unknown: list[tuple[str, ...]]
    """By record, its fields that are no column; empty where no record has any."""


def fields_of(records: Sequence[Record], columns: Sequence[str]) -> Fields:
    """The fields of `records`, at least one."""
    # Of plain dicts alone: others may have an answer for a key that is not there.
    if set(map(len, records)) == {len(columns)} and set(map(type, records)) == {dict}:
        try:
            values = [[record[name] for record in records] for name in columns]
        except KeyError:
            pass
        else:
            return Fields(values, [(1 << len(columns)) - 1] * len(records), [])
    values = [[record.get(name) for record in records] for name in columns]
    names = list(map(tuple, records))
    # Records have few patterns of fields among them.
    bits = {name: 1 << i for i, name in enumerate(columns)}
    present = {of: sum(bits[name] for name in of if name in bits) for of in set(names)}
    unknown = {of: tuple(name for name in of if name not in bits) for of in present}
    return Fields(values, [present[of] for of in names], [unknown[of] for of in names])
