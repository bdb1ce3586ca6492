"""Intervals as people write and read them. Pure functions; the unit is minutes everywhere."""

from __future__ import annotations

import re
from decimal import Decimal

SCHEDULE_PRESETS = (60, 240, 360, 720, 1440)
"""1h 4h 6h 12h 24h."""
RETRY_PRESETS = (5, 15, 30, 60)
"""5m 15m 30m 1h."""

_MINUTES = {"m": 1, "h": 60, "d": 1440, "w": 10080}
_WORDS = {
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
}
_UNIT_OF = {word: unit for unit, words in _WORDS.items() for word in words}
_PART = re.compile(r"(\d+(?:[.,]\d+)?)\s*([a-z]*)", re.ASCII)


def parse_interval(text: str) -> int:
    """Minutes of `90`, `90m`, `1.5h`, `2 days`, `1h 30m`; a bare number is minutes.

    Raises:
        ValueError: one sentence that says what is understood.
    """
    compact = text.strip().lower()
    total, position = Decimal(0), 0
    while position < len(compact):
        part = _PART.match(compact, position)
        unit = _UNIT_OF.get(part[2] or "m") if part else None
        if part is None or unit is None:
            raise ValueError(f"{text.strip()!r} is not an interval; write 90m, 1.5h or 2 days")
        total += Decimal(part[1].replace(",", ".")) * _MINUTES[unit]
        position = part.end()
        while position < len(compact) and compact[position] in " \t":
            position += 1
    if total == 0:
        raise ValueError("An interval is at least 1 minute; write 90m, 1.5h or 2 days")
    if total != int(total):
        raise ValueError(f"{text.strip()!r} is not a whole number of minutes")
    return int(total)


def short_interval(minutes: int) -> str:
    """The short form of the grid, in the largest unit that divides: `6h`, `90m`, `2d` from two days on."""
    if minutes >= 2 * _MINUTES["d"] and minutes % _MINUTES["d"] == 0:
        return f"{minutes // _MINUTES['d']}d"
    if minutes % 60 == 0:
        return f"{minutes // 60}h"
    if minutes > 24 * 60:
        return f"{minutes // 60}h{minutes % 60}m"
    return f"{minutes}m"


def humanise_minutes(minutes: int) -> str:
    """The words of the dialog: `6 hours`, `1 hour 30 minutes`, `1 day`."""
    parts = []
    for size, name in ((1440, "day"), (60, "hour"), (1, "minute")):
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(f"{count:,} {name}{'' if count == 1 else 's'}")
    if parts == ["1 day"]:
        return "24 hours"  # the documented presets are hours: 24h reads as it is written
    return " ".join(parts) or "0 minutes"
