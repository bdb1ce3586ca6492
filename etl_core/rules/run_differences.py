"""In what two runs differ. Pure functions."""

from __future__ import annotations

import json
from typing import Any

from etl_core.models.run import RunListRow
from etl_core.models.run_comparison import Difference

_COUNTS = (
    ("records", "rows_extracted"),
    ("new", "rows_new"),
    ("changed", "rows_changed"),
    ("unchanged", "rows_unchanged"),
    ("deleted", "rows_deleted"),
    ("rejected", "rows_rejected"),
    ("batches", "batches"),
    ("workers lost", "losses"),
)
_TEXTS = (
    ("job", "job_name"),
    ("state", "state"),
    ("trigger", "trigger"),
    ("by", "requested_by"),
    ("error kind", "error_kind"),
    ("error", "error_message"),
)


def run_differences(a: RunListRow, b: RunListRow) -> list[Difference]:
    """What is not the same in both; what is the same is left out."""
    found = [_text(what, getattr(a, field), getattr(b, field)) for what, field in _TEXTS]
    found.append(_duration(a.seconds, b.seconds))
    found += [_count(what, getattr(a, field), getattr(b, field)) for what, field in _COUNTS]
    found.append(_text("checkpoint", checkpoint_text(a), checkpoint_text(b)))
    found += [
        _text(f"option {name}", _option(a.options.get(name)), _option(b.options.get(name)))
        for name in sorted({*a.options, *b.options})
    ]
    return [difference for difference in found if difference is not None]


def checkpoint_text(run: RunListRow) -> str:
    """`v17 → v18`; `v17` where it stayed, `none` where there was none."""
    if run.checkpoint_after == run.checkpoint_before:
        return f"v{run.checkpoint_after}" if run.checkpoint_after else "none"
    before = f"v{run.checkpoint_before}" if run.checkpoint_before else "none"
    return f"{before} → v{run.checkpoint_after}"


def change_text(before: float, after: float) -> str:
    """`+12 %`, `-3 %`, `x 14`; empty where there is nothing to compare with, or no change."""
    if not before or before == after:
        return ""
    if after >= 2 * before:
        return f"x {after / before:.2g}" if after < 10 * before else f"x {after / before:,.0f}"
    return f"{(after - before) / before:+.0%}".replace("%", " %")


def _text(what: str, a: Any, b: Any) -> Difference | None:
    return None if a == b else Difference(what=what, a=str(a or "none"), b=str(b or "none"), change="")


def _count(what: str, a: int, b: int) -> Difference | None:
    return None if a == b else Difference(what=what, a=f"{a:,}", b=f"{b:,}", change=change_text(a, b))


def _duration(a: float | None, b: float | None) -> Difference | None:
    if a == b:
        return None
    shown = ["not started" if seconds is None else f"{seconds:,.1f} s" for seconds in (a, b)]
    change = change_text(a, b) if a and b else ""
    return Difference(what="duration", a=shown[0], b=shown[1], change=change)


def _option(value: Any) -> str | None:
    if value is None:
        return None
    return "yes" if value is True else json.dumps(value, ensure_ascii=False, default=str)
