"""Where a ref stands. Each ref is a partition of the stream `commits`; the other streams go along with it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_SHA = r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$"


class Bookmark(BaseModel):
    """All commits that `sha` can reach have been yielded."""

    model_config = ConfigDict(extra="forbid")

    sha: str = Field(pattern=_SHA)
    shallow: str | None = Field(
        default=None,
        description="digest of a shallow clone's boundary: another one uncovers ancestors",
    )


class Resume(BaseModel):
    """A walk from `tip` broken off after `done` commits, the last of which was `sha`."""

    model_config = ConfigDict(extra="forbid")

    tip: str = Field(pattern=_SHA)
    done: int = Field(ge=1)
    sha: str = Field(pattern=_SHA)
