"""A row of figures as a row of bars. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
NO_FIGURE = "·"


def sparkline(figures: Sequence[float | None]) -> str:
    """A bar for each figure, from 0 to the largest; what is unknown is a dot."""
    most = max((figure for figure in figures if figure is not None), default=0)
    return "".join(NO_FIGURE if figure is None else _bar(figure, most) for figure in figures)


def _bar(figure: float, most: float) -> str:
    share = figure / most if most > 0 and figure > 0 else 0
    return BARS[min(int(share * len(BARS)), len(BARS) - 1)]
