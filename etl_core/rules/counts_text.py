"""What a run changed, in words and figures. Pure functions; counts are records."""

from __future__ import annotations

from typing import Protocol

UNCHANGED = "unchanged"
"""What a run says that found everything as it was; never "0 rows"."""

_THOUSANDS = ((1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


class RowCounts(Protocol):
    """The counters that a run and a job's row have in common; None counts as 0."""

    @property
    def rows_new(self) -> int | None: ...
    @property
    def rows_changed(self) -> int | None: ...
    @property
    def rows_unchanged(self) -> int | None: ...
    @property
    def rows_deleted(self) -> int | None: ...
    @property
    def rows_rejected(self) -> int | None: ...


def result_parts(counts: RowCounts) -> list[str]:
    """What a run's result consists of, one to four things: `311 new`, `12 changed`, `3 rejected`."""
    told = (
        (counts.rows_new, "new"),
        (counts.rows_changed, "changed"),
        (counts.rows_deleted, "deleted"),
    )
    parts = [f"{count:,} {word}" for count, word in told if count]
    # A run whose every record was refused changed nothing, but "unchanged" would tell of a good one.
    if not parts and (counts.rows_unchanged or not counts.rows_rejected):
        parts.append(UNCHANGED)
    if counts.rows_rejected:
        parts.append(f"{counts.rows_rejected:,} rejected")
    return parts


def result_sentence(counts: RowCounts) -> str:
    """The command line's sentence: `28,298 new`, `311 new, 12 changed, 3 rejected`, `unchanged`."""
    return ", ".join(result_parts(counts))


def rate_text(records: int, seconds: float) -> str:
    """Records a second in two figures, so that it does not flicker: `1.2k/s`, `0.5/s`; empty when unknown."""
    if records <= 0 or seconds <= 0:
        return ""
    rate = records / seconds
    for size, unit in _THOUSANDS:
        if rate >= size:
            return f"{_two_figures(rate / size)}{unit}/s"
    return f"{_two_figures(rate)}/s"


def _two_figures(value: float) -> str:
    if value < 10:
        return f"{value:.1f}".removesuffix(".0")
    return f"{round(value, -1 if value >= 100 else 0):.0f}"
