"""What is asked of a backfill."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from etl_core.backfill import BACKFILL_OPTION


class BackfillRequest(BaseModel):
    """A range of the bookmark of a job's streams, `start` included and `end` not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: str = Field(min_length=1, max_length=200)
    """A time as people write it (`2024-05-01`, `7d` ago), or a key, by what the connector goes by."""
    end: str = Field(min_length=1, max_length=200)
    streams: list[str] | None = Field(default=None, min_length=1)
    """Only these; None: all that can be backfilled."""
    rate: float | None = Field(default=None, gt=0, le=1_000_000_000)
    """Records a second at most; None: as fast as the source gives them."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.start == self.end:
            raise ValueError(
                "a range from a value to the same value holds nothing: its end is not part of it"
            )
        return self

    def as_options(self) -> dict[str, Any]:
        """The options of a run that carries it out."""
        return {BACKFILL_OPTION: self.model_dump(exclude_none=True)}
