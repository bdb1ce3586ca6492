"""The range of a backfill as people write it. Pure but for the system's zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from etl_core.rules.intervals import parse_interval

_WALL_TIME = re.compile(r"\d{1,2}:\d{2}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_WHOLE = re.compile(r"-?\d+", re.ASCII)


def time_range(start: str, end: str, now: datetime, zone: tzinfo | None = None) -> tuple[str, str]:
    """Both ends as ISO 8601 in UTC; each a date, a date and time, `now`, or so long ago (`7d`).

    Wall times without an offset are read in `zone`, the system's when None; `now` is aware.

    Raises:
        ValueError: one sentence: what is understood, or that the range is turned round.
    """
    first, last = past_moment(start, now, zone), past_moment(end, now, zone)
    if first >= last:
        raise ValueError(f"the range ends before it begins: {_shown(first, zone)} to {_shown(last, zone)}")
    return first.isoformat(), last.isoformat()


def key_range(start: str, end: str) -> tuple[str, str]:
    """Both ends without blanks around them; numbers are compared as such.

    Raises:
        ValueError: an end is empty, or both are numbers and the range is turned round.
    """
    first, last = start.strip(), end.strip()
    if not first or not last:
        raise ValueError("a range has two ends")
    if _NUMBER.fullmatch(first) and _NUMBER.fullmatch(last) and float(first) >= float(last):
        raise ValueError(f"the range ends before it begins: {first} to {last}")
    return first, last


def number_range(start: str, end: str) -> tuple[str, str]:
    """Both ends as whole numbers.

    Raises:
        ValueError: an end is none, or the range is turned round.
    """
    for given in (start, end):
        if not _WHOLE.fullmatch(given.strip()):
            raise ValueError(f"{given!r} is no whole number, and that is what a range is of here")
    return key_range(start, end)


def past_moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """A date, a date and time, a time of today, `now`, or so long ago (`7d`, `7d ago`); aware, in UTC.

    Raises:
        ValueError: one sentence that says what is understood.
    """
    given = text.strip()
    if given.lower() == "now":
        return now.astimezone(UTC)
    try:
        if _WALL_TIME.fullmatch(given):
            moment = datetime.combine(now.astimezone(zone).date(), time.fromisoformat(given.zfill(5)))
        elif _DATE.match(given):
            moment = datetime.fromisoformat(given)
        else:
            ago = parse_interval(given.lower().removesuffix(" ago"))
            return (now - timedelta(minutes=ago)).astimezone(UTC)
        if moment.tzinfo is None:
            moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, ArithmeticError):
        raise ValueError(
            f'{given!r} is no time; write 2024-05-01, "2024-05-01 06:00", 7d (so long ago) or now'
        ) from None


def _shown(moment: datetime, zone: tzinfo | None) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
