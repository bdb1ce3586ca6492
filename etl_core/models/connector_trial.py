"""What `connectors try` prints."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from etl_core.source_calls import SourceCall


class TriedPage(BaseModel):
    """A page that was yielded."""

    records: dict[str, int] = Field(default={})
    """Stream -> records."""
    deleted: dict[str, int] = Field(default={})
    """Stream -> keys that the source says are deleted."""
    rejected: int = 0
    """What the source delivered in place of a record."""
    checkpoint: list[str] = Field(default=[])
    """Where it would leave the checkpoint, a line for each partition."""
    failures: list[str] = Field(default=[])


class ConnectorTrial(BaseModel):
    """What `connectors try` prints."""

    type: str
    calls: list[SourceCall] = Field(default=[])
    """Requests in order, if the connector tells of them."""
    pages: list[TriedPage] = Field(default=[])
    keys: dict[str, list[str]] = Field(default={})
    """Stream -> key columns."""
    rows: dict[str, list[dict[str, Any]]] = Field(default={})
    """Stream -> rows, as they would be loaded."""
    refused: list[str] = Field(default=[])
    """Records that cannot be loaded: why."""
    is_cut: bool = False
    """There may be more."""
    error: str | None = None
    """What ended it before its time."""
    may_pass: bool = False
    """The error may not come again."""
