"""Cursor values of records: read, compared, and written as an API wants them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from workers.connectors.rest.manifest.stream import TimeFormat

Mark: TypeAlias = str | int | float
"""A cursor value as a checkpoint keeps it: a time as `2024-05-01T12:00:00.000000Z`, which sorts by time."""

_STORED: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_MILLISECONDS_FROM: Final = 100_000_000_000
"""A number of this size is milliseconds: as seconds it would be the year 5138."""
_DIGITS_PAST_MICROSECONDS = re.compile(r"(\.\d{6})\d+")


def read_mark(value: Any, kind: Literal["time", "number"]) -> Mark | None:
    """A record's cursor value; None where it is none."""
    if kind == "number":
        if isinstance(value, str):
            value = int(value) if re.fullmatch(r"-?\d{1,30}", value) else None
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    moment = read_time(value)
    return None if moment is None else write_mark(moment)


def write_mark(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_STORED)


def read_time(value: Any) -> datetime | None:
    """An ISO 8601 time or date (without a zone: UTC), or seconds or milliseconds since 1970; aware."""
    try:
        if isinstance(value, str):
            text = _DIGITS_PAST_MICROSECONDS.sub(r"\1", value.strip())
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return moment.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1_000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def time_of(mark: str) -> datetime:
    """Raises ValueError: somebody wrote a mark by hand that is none."""
    moment = read_time(mark)
    if moment is None:
        raise ValueError(f"{mark!r} is no time")
    return moment


def before(mark: Mark, overlap: timedelta | int) -> Mark:
    """So far before a mark; never earlier than the year 1."""
    if not isinstance(mark, str):
        return mark - overlap if isinstance(overlap, int) else mark
    if not isinstance(overlap, timedelta):
        return mark
    try:
        return write_mark(time_of(mark) - overlap)
    except OverflowError:
        return write_mark(datetime.min.replace(tzinfo=UTC))


def write_parameter(mark: Mark, how: TimeFormat) -> str:
    """A mark as the API wants it. What it cannot say exactly is rounded down: it asks for rather too much."""
    if not isinstance(mark, str):
        return str(mark)
    moment = time_of(mark)
    match how:
        case "iso":
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        case "iso_milliseconds":
            return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1_000:03d}Z"
        case "date":
            return moment.strftime("%Y-%m-%d")
        case "epoch":
            return str(int(moment.timestamp()))
        case "epoch_milliseconds":
            return str(int(moment.timestamp()) * 1_000 + moment.microsecond // 1_000)


def larger(one: Mark | None, other: Mark | None) -> Mark | None:
    """The larger of two marks of one kind; None is smaller than any."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
