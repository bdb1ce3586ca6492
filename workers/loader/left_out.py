"""What a load leaves out: values that a frozen table has no column for."""

from __future__ import annotations

from collections.abc import Sequence

from workers.loader.target import TargetTable
from workers.transform import TypedRows


def left_out(typed: Sequence[tuple[TargetTable, TypedRows]]) -> dict[str, int]:
    """Values that a frozen table has no column for: told, since nothing else would."""
    values = sum(
        count
        for table, rows in typed
        for name, count in rows.unknown_fields.items()
        if name in table.left_out
    )
    return {"values_left_out": values} if values else {}
