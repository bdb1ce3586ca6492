"""A row of numbers as a strip of blocks, one cell each. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*#@"


def density_strip(numbers: Sequence[int], *, ascii_only: bool = False) -> str:
    """Each number as high as it is of the largest; what is not nothing is never blank."""
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    most = max(numbers, default=0)
    return "".join(blocks[-(-number * (len(blocks) - 1) // most)] if number else " " for number in numbers)


def hour_marks(start: datetime, hours: int, cells: int) -> str:
    """The line under a strip of `cells`: full hours at their places, as many as there is room for."""
    length = timedelta(hours=hours)
    line = [" "] * cells
    free_from = 0
    for ahead in range(hours + 1):
        at = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=ahead)
        if at < start or at >= start + length:
            continue
        place = int((at - start) / length * cells)
        label = f"{at:%H:%M}"
        if place >= free_from and place + len(label) <= cells:
            line[place : place + len(label)] = label
            free_from = place + len(label) + 2
    return "".join(line).rstrip()
