"""The moment that a bookmark stands at, where it says one: pure guesses about values, told as such."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from etl_core.rules.checkpoints.exact_json import Json

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?", re.ASCII)
_NAMED = re.compile(
    r"(^|_)(at|on|time|date|since|until|updated|created|modified|timestamp|ts|cursor|mtime)(_|$)"
)
_ASIDE = re.compile(r"(^|_)(began|begun|started|rechecked|checked|expires)(_|$)")
_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
"""Of epoch seconds, milliseconds, microseconds, nanoseconds."""
_MOST_DEPTH, _MOST_OF_LIST = 8, 20
_SHORTEST = len("2026-11-30")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(value: Json) -> datetime | None:
    """The latest time in a bookmark; None where it says none.

    A time is a text that begins with an ISO date, or a number of epoch time under a name that tells of one
    (`updated`, `cursor`, `..._at`). Times of the walk itself (`began_at`, `rechecked_at`) do not count.
    """
    return max(_moments(value, "cursor", 0, []), default=None)


def as_moment(value: Json, name: str = "at") -> datetime | None:
    """The time that one value is, if it is one; aware, UTC where it names no zone."""
    if isinstance(value, str):
        # Most texts are no dates: one look at a character tells.
        return _from_text(value) if _SHORTEST <= len(value) <= 40 and value[4] == "-" else None
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and _tells_of_time(name):
        return _from_number(value)
    return None


@lru_cache(1_000)
def _tells_of_time(name: str) -> bool:
    return _NAMED.search(name.lower()) is not None


@lru_cache(1_000)
def _is_aside(name: str) -> bool:
    return _ASIDE.search(name.lower()) is not None


def _moments(value: Json, name: str, depth: int, found: list[datetime]) -> list[datetime]:
    """Adds what is in `value`; texts that are no dates cost no call, for a bookmark has many."""
    if isinstance(value, list):
        inside = [(name, inner) for inner in value[:_MOST_OF_LIST]]
    else:
        inside = [*value.items()] if isinstance(value, dict) else [(name, value)]
    for inner_name, inner in inside:
        if isinstance(inner, str):
            if len(inner) < _SHORTEST or inner[4] != "-":
                continue
        elif inner is None or inner is True or inner is False:
            continue
        if inner is not value and _is_aside(inner_name):
            continue
        if isinstance(inner, (dict, list)):
            if depth < _MOST_DEPTH:
                _moments(inner, inner_name, depth + 1, found)
        else:
            moment = as_moment(inner, inner_name)
            if moment is not None:
                found.append(moment)
    return found


def _from_text(text: str) -> datetime | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC) if _EARLIEST <= moment <= _LATEST else None
    except (ValueError, OverflowError):
        return None


def _from_number(number: int | Decimal) -> datetime | None:
    for unit in _UNITS:
        # A number is of one unit only: the ranges do not overlap within these years.
        if _EARLIEST.timestamp() * unit <= number <= _LATEST.timestamp() * unit:
            return _EPOCH + timedelta(microseconds=int(number * 1_000_000 / unit))
    return None


def span_words(span: timedelta) -> str:
    """The two largest units: `3 h`, `2 h 14 min`, `1 d 3 h`, `45 s`."""
    seconds = int(abs(span).total_seconds())
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number:,} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"
