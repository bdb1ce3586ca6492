"""What options give as text: intervals, counts, times; refused in one line that names the option."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl_core.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import datetime, time


def minutes(option: str, text: str | None) -> int | None:
    """The minutes that an option gives, None when it is not given.

    Raises:
        InvalidInput: it cannot be read, or is less than one minute or more than ten years.
    """
    if text is None:
        return None
    from etl_core.models.job import TEN_YEARS_MINUTES
    from etl_core.rules.intervals import parse_interval

    try:
        given = parse_interval(text)
    except (ValueError, ArithmeticError) as error:
        raise InvalidInput(f"{option}: {error}") from None
    if not 1 <= given <= TEN_YEARS_MINUTES:
        raise InvalidInput(f"{option} {text}: an interval is 1 minute to ten years")
    return given


def count(option: str, text: str) -> int:
    """A whole number.

    Raises:
        InvalidInput: it is none.
    """
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) < 10):
        raise InvalidInput(f"{option}: {text!r} is no count; write a whole number like 5")
    return int(stripped)


def listing_limit(text: str | None, *, usual: int, most: int) -> int:
    """How many rows `--limit` asks for.

    Raises:
        InvalidInput: it is no count, none at all, or more than `most`.
    """
    limit = usual if text is None else count("--limit", text)
    if not 1 <= limit <= most:
        raise InvalidInput(f"--limit {limit}: 1 to {most:,}")
    return limit


def count_or_none(option: str, text: str) -> int | None:
    """A whole number, or None for `none`.

    Raises:
        InvalidInput: it is neither.
    """
    if text.strip().lower() == "none":
        return None
    try:
        return count(option, text)
    except InvalidInput:
        raise InvalidInput(f"{option}: {text!r} is no limit; write a whole number, or none") from None


def past_moment(option: str, text: str, now: datetime) -> datetime:
    """A moment that has passed, wall times read in the terminal's zone.

    Raises:
        InvalidInput: it cannot be read, or is still to come.
    """
    from etl_core.rules.moments import parse_past_moment

    try:
        return parse_past_moment(text, now)
    except ValueError as error:
        raise InvalidInput(f"{option}: {error}") from None


def moment(option: str, text: str, now: datetime) -> datetime:
    """A moment to come, wall times read in the terminal's zone.

    Raises:
        InvalidInput: it cannot be read, or has passed.
    """
    from etl_core.rules.moments import parse_moment

    try:
        return parse_moment(text, now)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{option}: {error}") from None


def since(option: str, text: str, now: datetime) -> datetime:
    """A moment that has passed: a date, a time of today, or so long ago; in the terminal's zone.

    Raises:
        InvalidInput: it cannot be read.
    """
    from etl_core.rules.ranges import past_moment

    try:
        return past_moment(text, now)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{option}: {error}") from None


def wall_time(option: str, text: str) -> time:
    """A time of day.

    Raises:
        InvalidInput: it cannot be read.
    """
    from etl_core.rules.moments import parse_wall_time

    try:
        return parse_wall_time(text)
    except ValueError as error:
        raise InvalidInput(f"{option}: {error}") from None
