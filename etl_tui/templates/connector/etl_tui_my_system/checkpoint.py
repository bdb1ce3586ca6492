"""Where the stream `items` stands. People can read and edit these values, so they are checked."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Bookmark(BaseModel):
    """All items updated before this moment were read, and those of the moment that were there then."""

    model_config = ConfigDict(extra="forbid")

    updated_at: str


class Resume(BaseModel):
    """A walk broken off: the last item that was read."""

    model_config = ConfigDict(extra="forbid")

    updated_at: str
    id: int = Field(ge=0)
