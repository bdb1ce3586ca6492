"""Weekdays as people write them: `mon-fri`, `sat,sun`, `daily`. Pure functions; ISO numbers, 1 is Monday."""

from __future__ import annotations

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_weekdays(text: str) -> list[int]:
    """The days of `mon-fri`, `sat,sun`, `fri-mon` (over the weekend), `daily`; sorted.

    Raises:
        ValueError: one sentence that says what is understood.
    """
    if text.strip().lower() in ("daily", "all", "*"):
        return [1, 2, 3, 4, 5, 6, 7]
    found: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = (piece.strip()[:3] for piece in part.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{text!r} names no weekdays; write mon-fri, sat,sun or daily")
        begin = DAYS.index(first)
        span = (DAYS.index(last) - begin) % 7 if dash else 0
        found.update((begin + step) % 7 + 1 for step in range(span + 1))
    return sorted(found)


def weekdays_text(days: list[int]) -> str:
    """The shortest way to write them: `mon-fri`, `sat,sun`, `daily`."""
    if len(days) == len(DAYS):
        return "daily"
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    parts = []
    for run in runs:
        names = [DAYS[day - 1] for day in run]
        parts.append(f"{names[0]}-{names[-1]}" if len(names) > 2 else ",".join(names))
    return ",".join(parts)
