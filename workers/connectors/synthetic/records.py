"""The contents of a synthetic record: a pure function of seed, stream, number and generation.

A record is about 690 bytes of JSON, like an issue of a tracker, and has all eight column types. It costs a
few microseconds, so that a benchmark measures the loader: hashing by multiplication, texts cut from a stock.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from etl_core.connector import Column, ColumnType, Record

COLUMNS = (
    Column("id", ColumnType.BIGINT),
    Column("uid", ColumnType.UUID),
    Column("title", ColumnType.TEXT),
    Column("body", ColumnType.TEXT),
    Column("state", ColumnType.TEXT),
    Column("amount", ColumnType.NUMERIC),
    Column("comments", ColumnType.BIGINT),
    Column("is_locked", ColumnType.BOOLEAN),
    Column("due_on", ColumnType.DATE),
    Column("created_at", ColumnType.TIMESTAMPTZ),
    Column("updated_at", ColumnType.TIMESTAMPTZ),
    Column("labels", ColumnType.JSONB),
    Column("author", ColumnType.JSONB),
)
KEY = ("id",)

NOT_A_NUMBER = "n/a"
"""The `amount` of a bad record."""

_MASK = (1 << 64) - 1
_EPOCH = date(2024, 1, 1)
_YEAR = 365 * 86_400
_MINUTES = tuple(f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(1_440))
_MILLION = 1_000_000

_STATES = ("open", "in progress", "in review", "blocked", "closed")
_LABELS = ("bug", "regression", "docs", "performance", "security", "question", "good first issue", "wontfix")
_VERBS = ("Handle", "Reject", "Retry", "Cache", "Document", "Speed up", "Stop losing", "Log")
_THINGS = (
    "empty pages from the search endpoint",
    "time zones in the nightly export",
    "duplicate invoices after a restart",
    "rows with a null customer id",
    "the second login of a suspended user",
    "attachments larger than 10 MB",
    "webhooks that arrive out of order",
    "a broken quote in the price list",
)
_SENTENCES = (
    "It happens about once a day, mostly in the morning, and goes away when the job is run again. ",
    "The log shows nothing unusual before it, only the request and then a silence of thirty seconds. ",
    "Two customers reported the same; both are in the region that was moved to the new cluster. ",
    "Expected: the record is kept once. Actual: it is there twice, with different times of update. ",
    "A workaround is to clear the cache by hand, which takes an hour and needs somebody on call. ",
    "See also the discussion of last spring, when the limit was raised from one hundred to a thousand. ",
    "Naïve parsing of “smart quotes” and of names such as Łukasz or 山田 was ruled out as the cause. ",
    "The change that introduced it is probably the one that made the cursor opaque; not verified yet. ",
)


def _mix(number: int) -> int:
    """The finaliser of splitmix64: neighbouring numbers give unrelated 64 bits."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


@cache
def _day(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).isoformat()


def stream_seed(seed: int, stream_number: int) -> int:
    """The seed of one stream, so that streams differ in their contents."""
    return _mix(_mix(seed & _MASK) + stream_number)


def make_record(seed: int, number: int, generation: int, *, bad: bool = False) -> Record:
    """Record `number` (from 1) as it stands in `generation` (0 is its first version)."""
    fixed = _mix(seed ^ number)
    varying = _mix(fixed + generation)
    seconds = number * 97 % _YEAR
    day = seconds // 86_400
    time = f"{_MINUTES[seconds // 60 % 1_440]}:{seconds % 60:02d}+00:00"
    later = (seconds + varying % 3_600) % 86_400
    bits = f"{fixed:016x}{_mix(fixed):016x}"
    first, second, third, fourth = fixed & 7, fixed >> 3 & 7, fixed >> 6 & 7, fixed >> 9 & 7
    labels = [_LABELS[first]] if first == second else [_LABELS[first], _LABELS[second]]
    return {
        "id": number,
        "uid": f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}",
        "title": f"{_VERBS[third]} {_THINGS[fourth]} (#{number})",
        "body": _SENTENCES[first] + _SENTENCES[third] + _SENTENCES[fixed >> 12 & 7],
        "state": _STATES[varying % 5],
        "amount": NOT_A_NUMBER if bad else (varying >> 8) % 10_000_000 / 100,
        "comments": varying >> 40 & 31,
        "is_locked": not varying & 15,
        "due_on": _day(day + 30) if fixed >> 20 & 3 else None,
        "created_at": f"{_day(day)}T{time}",
        "updated_at": f"{_day(day + 1 + generation)}T{_MINUTES[later // 60]}:{later % 60:02d}+00:00",
        "labels": labels,
        "author": {"login": f"user-{fixed >> 24 & 1023}", "team": _LABELS[fourth][:4], "staff": fourth < 2},
    }


def in_share(position: int, share: float) -> bool:
    """Whether `position` belongs to `share` of all positions, spread evenly.

    Of the first n positions (from 0) exactly floor(n * share) belong to it; `share` counts in millionths.
    """
    millionths = round(share * _MILLION)
    return (position + 1) * millionths // _MILLION > position * millionths // _MILLION


def is_mutated(number: int, generation: int, records: int, share: float) -> bool:
    """Whether record `number` of `records` differs in `generation` (from 1) from the one before.

    A rotation by generation picks other records each time, and always floor(records * share) of them.
    """
    return in_share((number + generation * 7_919) % records, share)
