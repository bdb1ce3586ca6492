"""What a files integration can be told; nothing here touches the file system."""

from __future__ import annotations

import codecs
import hashlib
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from etl_core.connector import ColumnType

_MAGIC = frozenset("*?[")


class Format(StrEnum):
    """How records stand in a file."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"


_SUFFIXES = {
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
}


class FilesConfig(BaseModel):
    """`path` is a file or a glob pattern; `format` and `stream` are told from it where they are not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="absolute path of a file, or a pattern with * ? [] or **")
    format: Format | None = Field(default=None, description="default: by suffix, with or without .gz")
    stream: str | None = Field(default=None, min_length=1, description="default: the file's name")
    key: tuple[str, ...] = Field(default=(), description="columns that identify a record; none: append only")
    columns: dict[str, ColumnType] = Field(default={}, description="declared types; the rest is inferred")
    encoding: str = Field(default="utf-8", description="Python's name of the encoding")
    delimiter: str | None = Field(default=None, description="one character; default: comma, or tab for tsv")
    null: tuple[str, ...] = Field(default=(), description="texts that mean null, besides the empty field")
    header: bool = Field(default=True, description="whether the first row names the columns")

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError("give an absolute path: workers do not share your working directory")
        if "\0" in path:
            raise ValueError("a path cannot hold a NUL character")
        return path

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
            name = codecs.lookup(encoding).name
        except LookupError:
            raise ValueError(f"no encoding {encoding!r}; for example utf-8, utf-16, cp1252") from None
        # A byte order mark is always skipped, so the two mean the same.
        return "utf-8" if name == "utf-8-sig" else name

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
            raise ValueError("give one character that is no quote and no line end")
        return delimiter

    @field_validator("key")
    @classmethod
    def _distinct(cls, key: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(key)) != len(key):
            raise ValueError("a column comes twice")
        return key

    @model_validator(mode="after")
    def _known_format(self) -> Self:
        if self.format is None and self._format_by_suffix() is None:
            raise ValueError(f"format: the suffix of {self.path!r} does not tell it; give csv, tsv or jsonl")
        return self

    def _format_by_suffix(self) -> Format | None:
        path = PurePosixPath(self.path.removesuffix(".gz"))
        return _SUFFIXES.get(path.suffix.lower())

    @property
    def record_format(self) -> Format:
        found = self.format or self._format_by_suffix()
        assert found is not None  # noqa: S101 - _known_format saw to it
        return found

    @property
    def field_delimiter(self) -> str:
        return self.delimiter or ("\t" if self.record_format is Format.TSV else ",")

    @property
    def stream_name(self) -> str:
        """`stream`, else the file's name without suffixes, else the last folder a pattern names in full."""
        if self.stream:
            return self.stream
        fixed, pattern = split_pattern(self.path)
        name = PurePosixPath(fixed if pattern else self.path).name
        return name.split(".")[0] or "files"

    @property
    def nulls(self) -> frozenset[str]:
        return frozenset(("", *self.null))

    def read_as(self) -> str:
        """A digest of all that decides how bytes become records: when it changes, files are read again."""
        settings = self.model_dump_json(exclude={"path", "stream", "format", "delimiter"})
        text = f"{self.record_format} {self.field_delimiter!r} {settings}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def split_pattern(path: str) -> tuple[str, str]:
    """The folder that a pattern names in full, and the pattern below it ("" where nothing is a pattern)."""
    parts = PurePosixPath(path).parts
    for index, part in enumerate(parts):
        if _MAGIC & set(part):
            return str(PurePosixPath(*parts[:index])), str(PurePosixPath(*parts[index:]))
    return str(PurePosixPath(path).parent), ""
