"""What a synthetic integration can be told."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class FailKind(StrEnum):
    """The error to raise at `fail_at`; `crash` is an exception that no connector should raise."""

    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    UNAUTHORISED = "unauthorised"
    PERMANENT = "permanent"
    CRASH = "crash"


class SyntheticConfig(BaseModel):
    """Counts are per stream; shares are between 0 and 1 and kept exactly (rounded down)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    records: int = Field(default=1_000, ge=0, description="records of each stream")
    page_size: int = Field(default=1_000, ge=1, le=100_000, description="records of a page at most")
    streams: int = Field(default=1, ge=1, le=100, description="named records, records_2, records_3, ...")
    partitions: int = Field(default=1, ge=1, le=1_000, description="they share a stream's records")
    seed: int = Field(default=0, description="another seed, other contents")
    delay_ms: float = Field(default=0, ge=0, description="wait before each page, milliseconds")
    fail_at: int | None = Field(default=None, ge=1, description="fail, every time, at this record's number")
    fail_kind: FailKind = FailKind.TRANSIENT
    fail_alone: bool = Field(default=False, description="only the partition of record fail_at fails")
    rate_limit_s: float = Field(
        default=30, ge=0, description="for fail_kind rate_limited: come back so many seconds later"
    )
    bad_rate: float = Field(default=0, ge=0, le=1, description="share of records that transform refuses")
    mutate: float = Field(default=0, ge=0, le=1, description="share that each later run finds changed")
