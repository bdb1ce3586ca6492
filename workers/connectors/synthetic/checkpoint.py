"""Where a partition of a synthetic stream stands."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Bookmark(BaseModel):
    """A complete walk: `generation` counts the walks, `through` is the last record's number in it.

    A later run yields the records past `through` (somebody raised `records`) and, with `mutate`, those that
    differ in the next generation.
    """

    model_config = ConfigDict(extra="forbid")

    generation: int = Field(ge=0)
    through: int = Field(ge=0)


class Resume(BaseModel):
    """A walk broken off: go on with the first record numbered `next` or higher."""

    model_config = ConfigDict(extra="forbid")

    generation: int = Field(ge=0)
    next: int = Field(ge=1)
