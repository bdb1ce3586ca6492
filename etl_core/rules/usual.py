"""What is usual of a job, by its runs that went through. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 5
"""Fewer values make no band: one slow run would be a tenth of all there is."""


@dataclass(frozen=True, slots=True)
class Band:
    """Four of five values lie in it: the tenth, fiftieth and ninetieth percentile of `count` values."""

    low: float
    middle: float
    high: float
    count: int

    def place(self, value: float) -> str:
        """`below`, `usual` or `above`."""
        return "below" if value < self.low else "above" if value > self.high else "usual"


def usual_band(values: Sequence[float]) -> Band | None:
    """The band of these values; None for fewer than FEWEST."""
    if len(values) < FEWEST:
        return None
    ordered = sorted(values)
    return Band(_percentile(ordered, 0.1), _percentile(ordered, 0.5), _percentile(ordered, 0.9), len(ordered))


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Between the two values next to it, in proportion; never outside of them, whatever rounding does."""
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return min(max(low + (high - low) * (place - below), low), high)
