"""A record that could not be loaded, and the replay of such records."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from etl_core.models.run import RunRow

REPLAY_OPTION: Final = "replay_rejects"
"""The option of a run that makes it a replay; its value is a `ReplaySelection`."""


class RejectRow(BaseModel):
    """A reject as `rejects list` prints it; times are aware, `bytes` is the size of its payload."""

    model_config = ConfigDict(frozen=True)

    id: int
    job_id: int
    stream: str
    reason: str
    count: int
    """How often this record was refused."""
    first_seen_at: datetime
    last_seen_at: datetime
    extracted_at: datetime
    """When the source last delivered it: a replay leaves rows alone that were extracted later."""
    run_id: int | None
    """The run that refused it last; null when that is pruned."""
    bytes: int
    is_record: bool
    """Whether it is a JSON object; what is none cannot be replayed."""


class RejectDetails(RejectRow):
    """A reject with its job and payload."""

    tenant: str
    job_name: str
    payload: Any
    """The record as JSON; text where it is none."""


class ReplaySelection(BaseModel):
    """Which rejects of a job a run replays: exactly one of the three is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: list[int] | None = Field(default=None, min_length=1)
    stream: str | None = None
    all: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.ids is not None) + (self.stream is not None) + self.all != 1:
            raise ValueError("give ids, or a stream, or all")
        return self

    def as_options(self) -> dict[str, Any]:
        """The options of a run that replays them."""
        return {REPLAY_OPTION: self.model_dump(exclude_defaults=True)}


class ReplayPreview(BaseModel):
    """What a replay would load again."""

    model_config = ConfigDict(frozen=True)

    records: int
    kept: int
    """Chosen rejects that would stay as they are, for they are no JSON objects."""


class ReplayStart(BaseModel):
    """A replay that was started."""

    model_config = ConfigDict(frozen=True)

    run: RunRow
    records: int
    """Rejects that it replays."""
    kept: int
    """Chosen rejects that stay as they are, for they are no JSON objects."""
