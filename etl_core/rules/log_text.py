"""A line of a run's log as people read it. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from etl_core.run_log import LEFT_OUT

_FIRST = ("state", "kind", "error", "stream", "partition", "seq", "worker", "rows", "count")
"""The database keeps no order; what a reader looks for comes first."""


def fields_text(fields: Mapping[str, Any]) -> str:
    """`seq=3 rows=5,000 reasons={"…": 2}`: texts as they are where they hold no blank, else in quotes."""
    names = sorted(fields, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return " ".join(f"{name}={_value(fields[name])}" for name in names if name != LEFT_OUT)


def line_text(message: str, fields: Mapping[str, Any]) -> str:
    """The message, and behind it what it is about."""
    return f"{message}  {told}" if (told := fields_text(fields)) else message


def _value(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, str) and value and not any(char in value for char in " \t\n\"'="):
        return value
    return json.dumps(value, ensure_ascii=False)
