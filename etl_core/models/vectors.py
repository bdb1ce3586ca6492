"""What is vectorized, how far that is, and what a search finds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class VectorSettings(BaseModel):
    """What of a stream is embedded, and by which model."""

    model_config = ConfigDict(frozen=True)

    text_columns: list[str]
    """As the stream or the table names them; their text is joined by line ends."""
    provider: Literal["local", "http"]
    model: str
    dimension: int | None
    """Numbers in a vector; None: not known until the provider was asked for the first time."""
    url: str | None
    api_key: str | None
    """A reference to the key, env:NAME or file:/path."""
    batch_size: int
    """Texts in one request."""
    max_chars: int
    """What of a row's text is past so many characters is not embedded."""


class VectorRequest(BaseModel):
    """What a person gives; None leaves what is set, or takes what is usual."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text_columns: list[str] | None = None
    provider: Literal["local", "http"] | None = None
    model: str | None = None
    dimension: int | None = None
    url: str | None = None
    api_key: str | None = None
    batch_size: int | None = None
    max_chars: int | None = None


class VectorizedRow(VectorSettings):
    """The settings of a stream, and what became of one of its tables; without a table it was never loaded."""

    tenant: str
    integration: str
    stream: str
    job_id: int | None
    job_name: str | None
    schema_name: str | None
    table_name: str | None
    vectors_name: str | None
    under_way: bool
    """Whether a worker has something to do for it, or is doing it."""
    rows_live: int | None
    rows_embedded: int | None
    """With a vector of the model that is set."""
    rows_refused: int | None
    """Without one, because the model would not take their text."""
    failures: int
    """Of the provider, in a row."""
    error: str | None
    """The last of them."""
    ready_at: datetime | None
    """When the provider is asked again."""


class SearchHit(BaseModel):
    """A row near the text that was asked for."""

    model_config = ConfigDict(frozen=True)

    score: float
    """Cosine of the angle: 1 is the same direction, 0 unrelated."""
    tenant: str
    job: str
    stream: str
    key: dict[str, Any]
    text: str
    """Of the embedded columns, as it is now."""
    record: dict[str, Any]
    """The whole row."""


class SearchAnswer(BaseModel):
    """Hits, best first, and what could be found at all."""

    model_config = ConfigDict(frozen=True)

    hits: list[SearchHit]
    model: str
    rows_live: int
    rows_embedded: int
