"""Where a file stands. A file is a partition; what it was when it was read is its bookmark."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from etl_core.connector import ColumnType


class Bookmark(BaseModel):
    """A file read to its end."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str = Field(description="blake2b of the file's bytes as they are on disk, in hex")
    size: int = Field(ge=0, description="bytes on disk")
    mtime_ns: int | None = Field(
        description="null: written so shortly before that its time proves nothing; compare contents"
    )
    read_as: str = Field(description="digest of the settings it was read with")
    records: int = Field(ge=0)
    columns: dict[str, ColumnType | None] = Field(description="inferred; null: no value was seen")


class Resume(BaseModel):
    """A file read in part. It holds only for the very contents and settings it was made with."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str
    read_as: str
    offset: int = Field(ge=0, description="bytes behind the last record read; of the text inside, for gzip")
    line: int = Field(ge=0, description="lines before `offset`")
    records: int = Field(ge=0, description="records before `offset`")
