"""A moment as people write it, to come or past: `2h`, `06:00`, `tomorrow 08:00`, `yesterday 18:00`.

Pure but for the system's zone.
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, tzinfo

from etl_core.rules.intervals import parse_interval

LONGEST = timedelta(days=3650)
_WALL_TIME = re.compile(r"\d{1,2}:\d{2}", re.ASCII)
_TOMORROW = re.compile(r"tomorrow(?:\s+(?P<wall>\S+))?", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """That long after `now` (`2h`, `3 days`), the next such wall time, tomorrow's, that date and time; aware.

    Wall times without an offset are read in `zone`, the system's when None, by the rules that hold on
    that day there.

    Raises:
        ValueError: one sentence that says what is understood, or that it is not to come within ten years.
    """
    text = text.strip()
    moment = _wall_moment(text, now, zone)
    if moment is None:
        try:
            moment = now + timedelta(minutes=parse_interval(text))
        except (ValueError, ArithmeticError):
            raise ValueError(
                f'{text!r} is no time to come; write 2h, 06:00, tomorrow 08:00 or "2026-11-25 06:00"'
            ) from None
    if moment <= now:
        raise ValueError(f"{moment_text(moment, zone)} has passed")
    if moment - now > LONGEST:
        raise ValueError(f"{text!r} is more than ten years ahead")
    return moment


def parse_past_moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """`yesterday 18:00`, `2026-11-25 18:00`, the last `18:00`, `2h` or `2h ago`; aware, not after `now`.

    Wall times without an offset are read in `zone`, as `parse_moment` reads them.

    Raises:
        ValueError: one sentence that says what is understood, or that it is still to come.
    """
    text = text.strip()
    day, _, rest = text.lower().partition(" ")
    moment: datetime | None = None
    if day in _DAYS_BACK:
        date = now.astimezone(zone).date() - timedelta(days=_DAYS_BACK[day])
        moment = _localise(datetime.combine(date, parse_wall_time(rest) if rest.strip() else time()), zone)
    elif _WALL_TIME.fullmatch(text):
        today = now.astimezone(zone).date()
        moment = _localise(datetime.combine(today, parse_wall_time(text)), zone)
        if moment > now:
            moment = _localise(datetime.combine(today - timedelta(days=1), parse_wall_time(text)), zone)
    else:
        moment = _wall_moment(text, now, zone)
    if moment is None:
        try:
            moment = now - timedelta(minutes=parse_interval(text.lower().removesuffix("ago")))
        except (ValueError, ArithmeticError):
            raise ValueError(
                f'{text!r} is no time that has passed; write "yesterday 18:00", "2026-11-25 18:00" or 2h'
            ) from None
    if moment > now:
        raise ValueError(f"{moment_text(moment, zone)} is still to come")
    return moment


_DAYS_BACK = {"today": 0, "yesterday": 1}


def parse_wall_time(text: str) -> time:
    """`6:00`, `22:30`; `24:00` is midnight.

    Raises:
        ValueError: one sentence that says what is understood.
    """
    found = _WALL_TIME.fullmatch(text.strip())
    hours, minutes = (int(part) for part in found[0].split(":")) if found else (99, 99)
    if minutes > 59 or hours * 60 + minutes > 24 * 60:
        raise ValueError(f"{text.strip()!r} is no time of day; write 06:00 or 22:30")
    return time(hours % 24, minutes)


def moment_text(moment: datetime, zone: tzinfo | None = None) -> str:
    """`2026-11-25 06:00 CET`: the wall time in `zone` (the system's when None) with that zone's name."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def _wall_moment(text: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    """None where the text is of neither form."""
    if _WALL_TIME.fullmatch(text):
        wall = parse_wall_time(text)
        today = now.astimezone(zone).date()
        moment = _localise(datetime.combine(today, wall), zone)
        return moment if moment > now else _localise(datetime.combine(today + timedelta(days=1), wall), zone)
    if found := _TOMORROW.fullmatch(text):
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
        return _localise(datetime.combine(tomorrow, parse_wall_time(found["wall"] or "0:00")), zone)
    if not _DATE.match(text):
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return None
    return given if given.tzinfo else _localise(given, zone)


def _localise(wall: datetime, zone: tzinfo | None) -> datetime:
    # A naive time means the system's zone to astimezone, by the rules of that day.
    return wall.astimezone() if zone is None else wall.replace(tzinfo=zone)
