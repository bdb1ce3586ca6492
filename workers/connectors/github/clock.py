"""Times as GitHub writes them: text that sorts as it should, always in UTC and whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> str:
    """By this machine's clock: only for what need not be exact."""
    return written(datetime.now(UTC))


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: str) -> datetime:
    """Raises ValueError for what is no time."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def before(text: str | None, span: timedelta) -> str | None:
    """So much earlier; None stays: the beginning of time."""
    if text is None:
        return None
    try:
        return written(parsed(text) - span)
    except OverflowError:
        return None


def is_older(text: str, span: timedelta) -> bool:
    """Whether it is longer ago than that, or in the future: a clock was wrong, do not wait for it."""
    age = datetime.now(UTC) - parsed(text)
    return age >= span or age < -timedelta(minutes=5)
