"""A message that could not be parsed, as people see it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class DeadLetterRow(BaseModel):
    """One message of `etl.dead`; where something is null, it was not put there by a worker of ours."""

    model_config = ConfigDict(frozen=True)

    put_aside_at: datetime | None
    """By the clock of the worker that met it."""
    queue: str | None
    reason: str | None
    size: int
    """Bytes."""
    body: str
    """Its beginning; what cannot be printed is written as in Python (`\\x00`, `\\n`)."""
