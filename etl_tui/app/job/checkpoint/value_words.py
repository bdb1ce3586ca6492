"""A value of a checkpoint in a few words: a time with how far it is behind, a place in a walk. Pure."""

from __future__ import annotations

from datetime import datetime

from etl_core.rules.checkpoints.exact_json import Json, dump
from etl_core.rules.checkpoints.times import as_moment, moment_of
from etl_core.rules.clock_text import clock_text, span_text

MOST_CHARS = 400
"""What a line never has room for is not made."""


def value_words(value: Json, now: datetime, name: str = "") -> str:
    """`11-24 14:19  54m behind`; fields as `page 413 · of 655`; else JSON, at most MOST_CHARS long."""
    if isinstance(value, dict):
        return _object_words(value, now)
    if isinstance(value, list):
        return "[]" if not value else f"[{len(value):,} value{'' if len(value) == 1 else 's'}]"
    moment = as_moment(value, name)
    if moment is not None:
        return f"{clock_text(moment, now)}  {behind_text(moment, now)}"
    return value[:MOST_CHARS] if isinstance(value, str) and value else dump(value)[:MOST_CHARS]


def behind_text(moment: datetime, now: datetime) -> str:
    """`54m behind`, `now`, or `2h ahead`."""
    if moment > now:
        ahead = span_text(moment - now)
        return "now" if ahead == "0m" else f"{ahead} ahead"
    behind = span_text(now - moment)
    return "now" if behind == "0m" else f"{behind} behind"


def size_text(size: int) -> str:
    """`812 B`, `12 kB`, `5.1 MB`."""
    if size < 1_000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size / 1_000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"


def _object_words(value: dict[str, Json], now: datetime) -> str:
    if not value:
        return "{}"
    moment = moment_of(value)
    if len(value) == 1:
        (name, inner), *_ = value.items()
        words = value_words(inner, now, name)
        return words if moment is not None or isinstance(inner, (dict, list)) else f"{name} {words}"
    told = [f"{clock_text(moment, now)}  {behind_text(moment, now)}"] if moment is not None else []
    for name, inner in value.items():
        if isinstance(inner, (dict, list)):
            told.append(
                f"{name} {{{len(inner):,}}}" if isinstance(inner, dict) else f"{name} [{len(inner):,}]"
            )
        elif as_moment(inner, name) is None:
            told.append(f"{name} {value_words(inner, now, name)}")
        if sum(map(len, told)) > MOST_CHARS:
            break
    return " · ".join(told)
