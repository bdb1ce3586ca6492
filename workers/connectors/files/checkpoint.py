"""Where files stand. A file is a partition; what it was when it was read is its bookmark.

From the 501st file on they are not partitions of their own but entries of a ledger, or the checkpoint of a
folder with many thousand files would weigh more than its rows.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, RootModel

from etl_core.connector import ColumnType


class FileBookmark(BaseModel):
    """A file read to its end."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str = Field(description="blake2b of the file's bytes as they are stored, in hex")
    size: int = Field(ge=0, description="bytes as they are stored")
    mtime_ns: int | None = Field(
        description="null: written so shortly before that its time proves nothing; compare contents"
    )
    tag: str | None = Field(default=None, description="entity tag or generation, where the place has one")
    read_as: str = Field(description="digest of the settings it was read with")
    records: int = Field(ge=0)
    columns: dict[str, ColumnType | None] = Field(description="inferred; null: no value was seen")


class LedgerBookmark(BaseModel):
    """Files read to their ends, 15 bytes for each."""

    model_config = ConfigDict(extra="forbid")

    files: int = Field(ge=0)
    entries: str = Field(description="base64 of 15 bytes a file: hashes of its name, version and contents")
    read_as: str
    columns: dict[str, ColumnType | None] = Field(description="of all of them together")


class Bookmark(RootModel[FileBookmark | LedgerBookmark]):
    """Of a file, or of a ledger."""


class Resume(BaseModel):
    """A file read in part. It holds only for the very contents and settings it was made with."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str
    read_as: str
    offset: int = Field(
        ge=0, description="behind the last record: bytes of the text inside; rows of Parquet and Excel"
    )
    line: int = Field(ge=0, description="lines, elements or rows before `offset`")
    records: int = Field(ge=0, description="records of the file before that place")
    member: int = Field(default=0, ge=0, description="of a zip: which of those that are read")
    file: str | None = Field(default=None, description="the file's name, where the partition is not its own")
