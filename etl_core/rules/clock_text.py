"""Times as a glance reads them: "58m ago", "2m", "15:04". Pure functions; every datetime is aware.

Clock times are told in the zone of `now`: whoever asks passes the reader's.
"""

from __future__ import annotations

from datetime import datetime, timedelta

NOTHING = "–"
"""What a column shows that has nothing to say."""

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_YEAR = timedelta(days=365)


def span_text(span: timedelta) -> str:
    """Whole units that have passed, in the largest that fits: `58m`, `23h`, `3d`, `2y`; `0m` at first."""
    if span < _HOUR:
        return f"{max(span, timedelta()) // _MINUTE}m"
    if span < _DAY:
        return f"{span // _HOUR}h"
    if span < _YEAR:
        return f"{span // _DAY}d"
    return f"{span // _YEAR}y"


def ago_text(then: datetime | None, now: datetime) -> str:
    """How long ago: `now` within the minute (a clock that is ahead included), else `58m ago`."""
    if then is None:
        return NOTHING
    span = now - then
    return "now" if span < _MINUTE else f"{span_text(span)} ago"


def until_text(then: datetime, now: datetime) -> str:
    """How long until: `now` when it is due, else minutes rounded up (`2m`), then whole hours or days."""
    span = then - now
    if span <= timedelta():
        return "now"
    return span_text(-(-span // _MINUTE) * _MINUTE)


def wait_text(span: timedelta, *, seconds: bool) -> str:
    """A short wait: `4m`; under a minute `3 s` where seconds are wanted, else nothing."""
    if span >= _MINUTE:
        return span_text(span)
    return f"{max(0, int(span.total_seconds()))} s" if seconds else ""


def clock_text(moment: datetime, now: datetime) -> str:
    """`15:04` on the day of `now`, `11-24 15:04` in its year, `2025-11-24` in another."""
    local = moment.astimezone(now.tzinfo)
    if local.date() == now.date():
        return f"{local:%H:%M}"
    return f"{local:%m-%d %H:%M}" if local.year == now.year else f"{local:%Y-%m-%d}"
