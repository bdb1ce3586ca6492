"""A moment gone by as people write it: `2h`, `18:00`, `yesterday 18:00`, `2026-11-25 06:00`. Pure."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta

from etl_core.rules.intervals import parse_interval

_WALL = re.compile(r"(?:(today|yesterday)\s+)?(\d{1,2}):(\d{2})", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_past(text: str, now: datetime) -> datetime:
    """So long before `now` (`2h`, `3 days ago`), the last such wall time, or that date and time; aware.

    Wall times without an offset are read in the zone of `now`.

    Raises:
        ValueError: one sentence that says what is understood, or that it has not passed.
    """
    text = text.strip()
    moment = _wall(text, now) or _date(text, now)
    if moment is None:
        try:
            moment = now - timedelta(minutes=parse_interval(text.lower().removesuffix("ago")))
        except (ValueError, ArithmeticError):
            raise ValueError(
                f'{text!r} is no time gone by; write 2h, 18:00, yesterday 18:00 or "2026-11-25 06:00"'
            ) from None
    if moment > now:
        raise ValueError(f"{moment:%Y-%m-%d %H:%M} has not come yet")
    return moment


def _wall(text: str, now: datetime) -> datetime | None:
    found = _WALL.fullmatch(text)
    if found is None or int(found[2]) > 23 or int(found[3]) > 59:
        return None
    wall = time(int(found[2]), int(found[3]))
    day, named = now.date(), (found[1] or "").lower()
    moment = datetime.combine(day, wall, now.tzinfo)
    if named == "yesterday" or (not named and moment > now):
        moment = datetime.combine(day - timedelta(days=1), wall, now.tzinfo)
    return moment


def _date(text: str, now: datetime) -> datetime | None:
    if not _DATE.match(text):
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return None
    return given if given.tzinfo else given.replace(tzinfo=now.tzinfo)
