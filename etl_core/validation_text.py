"""What pydantic found wrong, in a line for people."""

from __future__ import annotations

from pydantic import ValidationError


def describe(error: ValidationError) -> str:
    """Every problem of a pydantic error on one line: `field: what is wrong`."""
    parts = []
    for problem in error.errors(include_url=False, include_context=False):
        where = ".".join(str(step) for step in problem["loc"]) or "value"
        what = "unknown field" if problem["type"] == "extra_forbidden" else problem["msg"]
        what = what.removeprefix("Value error, ")  # pydantic's word before a validator's own sentence
        parts.append(f"{where}: {what}")
    return "; ".join(parts)
