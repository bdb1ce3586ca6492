"""What a files integration can be told; nothing here touches a file system."""

from __future__ import annotations

import codecs
import hashlib
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from etl_core.connector import ColumnType
from etl_core.rules.secrets import parse_reference
from workers.connectors.files.places.address import Address, Kind, parse_address
from workers.connectors.files.places.files import Selection
from workers.connectors.files.places.options import (
    AzureOptions,
    GcsOptions,
    HttpOptions,
    Options,
    S3Options,
    SftpOptions,
)
from workers.connectors.files.places.patterns import (
    DEFAULT_UNFINISHED,
    common_folder,
    matches_any,
    split_pattern,
)


class Format(StrEnum):
    """How records stand in a file."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    JSON = "json"
    PARQUET = "parquet"
    EXCEL = "excel"


_SUFFIXES = {
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSON,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".xlsx": Format.EXCEL,
    ".xlsm": Format.EXCEL,
}
_PACKED = (".gz", ".zst", ".zip")
SEEKING = frozenset({Format.PARQUET, Format.EXCEL})
"""What is not read from the beginning to the end."""
DELIMITED = frozenset({Format.CSV, Format.TSV})
_AS_EVER = {"key", "columns", "encoding", "null", "header"}
"""Of `read_as`, in this form since the first version: a digest that differs reads all files again."""
_SINCE = ("records", "sheet", "members", "file_column")


class FilesConfig(BaseModel):
    """`path` names files or patterns; `format` and `stream` are told from it where they are not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | tuple[str, ...] = Field(
        description="absolute path or URL of a file, or a pattern with * ? [] or **; or several of one place"
    )
    exclude: tuple[str, ...] = Field(default=(), description="patterns of what is passed over")
    format: Format | None = Field(default=None, description="default: by suffix, with or without .gz")
    stream: str | None = Field(default=None, min_length=1, description="default: the file's name")
    key: tuple[str, ...] = Field(default=(), description="columns that identify a record; none: append only")
    columns: dict[str, ColumnType] = Field(default={}, description="declared types; the rest is inferred")
    encoding: str = Field(default="utf-8", description="Python's name of the encoding")
    delimiter: str | None = Field(default=None, description="one character; default: comma, or tab for tsv")
    null: tuple[str, ...] = Field(default=(), description="texts that mean null, besides the empty field")
    header: bool = Field(default=True, description="whether the first row names the columns")
    records: str | None = Field(default=None, description="json: where the list is, names joined by dots")
    sheet: str | int | None = Field(default=None, description="excel: name or number; default: the first")
    members: tuple[str, ...] = Field(default=(), description="zip: patterns of what is read; default: all")
    file_column: str | None = Field(
        default="_file",
        min_length=1,
        description="holds the file's name, where there are many; null: none",
    )
    min_age_s: float = Field(
        default=2.0, ge=0, description="a file of a pattern that changed later is left for the next run"
    )
    unfinished: tuple[str, ...] = Field(
        default=DEFAULT_UNFINISHED, description="names of what somebody is still writing"
    )
    vanished: Literal["keep", "delete"] = Field(
        default="keep", description="what becomes of the rows of a file that is gone"
    )
    max_ratio: int = Field(default=250, ge=1, description="unpacked bytes for each packed one")
    s3: S3Options | None = None
    gcs: GcsOptions | None = None
    azure: AzureOptions | None = None
    sftp: SftpOptions | None = None
    http: HttpOptions | None = None

    @field_validator("path")
    @classmethod
    def _in_one_place(cls, path: str | tuple[str, ...]) -> str | tuple[str, ...]:
        paths = (path,) if isinstance(path, str) else path
        if not paths:
            raise ValueError("give at least one path")
        if _is_reference(paths):
            return path  # it is known where the job runs
        places = {(address.kind, address.root) for address in map(parse_address, paths)}
        if len(places) > 1:
            raise ValueError("all paths of an integration are in one place; make an integration for each")
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
        if _is_reference(self.paths):
            if self.format is None or self.stream is None:
                raise ValueError("format, stream: give both where the path is a reference")
            return self
        if self.format is None and self._format_by_suffix() is None:
            given = ", ".join(kind.value for kind in Format)
            raise ValueError(f"format: the suffix of {self.paths[0]!r} does not tell it; give one of {given}")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.vanished == "delete" and not (self.key and self.file_names):
            raise ValueError("vanished: rows can be told to be gone only with a key and a file_column")
        if self.records is not None and self.record_format is not Format.JSON:
            raise ValueError("records: is for json only")
        if self.sheet is not None and self.record_format is not Format.EXCEL:
            raise ValueError("sheet: is for excel only")
        for kind in Kind:
            given = None if kind is Kind.LOCAL else getattr(self, kind.value)
            if given is not None and not _is_reference(self.paths) and kind is not self.address.kind:
                raise ValueError(f"{kind.value}: the path is of another place")
        return self

    def _format_by_suffix(self) -> Format | None:
        found = {_suffix_format(path) for path in self.paths}
        return found.pop() if len(found) == 1 else None

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,) if isinstance(self.path, str) else self.path

    @property
    def address(self) -> Address:
        return parse_address(self.paths[0])

    @property
    def selection(self) -> Selection:
        patterns = [parse_address(path).path for path in self.paths]
        return Selection(patterns, self.exclude, self.unfinished)

    @property
    def options(self) -> Options | None:
        """Of its place."""
        kind = self.address.kind
        given: Options | None = None if kind is Kind.LOCAL else getattr(self, kind.value)
        return given

    @property
    def shown(self) -> str:
        """The patterns, fit for messages."""
        return ", ".join(f"{a.root}{a.path}" for a in map(parse_address, self.paths))

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
        paths = [parse_address(path).path for path in self.paths]
        if len(paths) > 1:
            name = PurePosixPath(common_folder(paths)).name
        else:
            fixed, pattern = split_pattern(paths[0])
            name = PurePosixPath(fixed if pattern else paths[0]).name
        return name.split(".")[0] or "files"

    @property
    def file_names(self) -> str | None:
        """The column that holds the file's name, if there is one: for many files, or by wish."""
        if "file_column" in self.model_fields_set:
            return self.file_column
        return self.file_column if self.has_many else None

    @property
    def record_key(self) -> tuple[str, ...]:
        """What of the key stands in the records themselves."""
        return tuple(name for name in self.key if name != self.file_names)

    def file_name(self, partition: str, member: str | None) -> str:
        """What stands in the column: with a zip's member, unless rows are to go with their file."""
        return partition if member is None or self.vanished == "delete" else f"{partition}/{member}"

    @property
    def has_many(self) -> bool:
        """Whether it may mean several files, or a file of several members."""
        if len(self.paths) > 1 or _is_reference(self.paths):
            return True
        path = self.address.path
        return bool(split_pattern(path)[1]) or path.lower().endswith(".zip")

    @property
    def nulls(self) -> frozenset[str]:
        return frozenset(("", *self.null))

    def reads_member(self, name: str) -> bool:
        """Whether a zip's member is read: by `members`, else unless it is a system's own."""
        if name.startswith("__MACOSX/") or name.rpartition("/")[2] in (".DS_Store", "Thumbs.db"):
            return False
        return not self.members or matches_any(name, self.members)

    def read_as(self) -> str:
        """A digest of all that decides how bytes become records: when it changes, files are read again."""
        settings = self.model_dump_json(include=_AS_EVER)
        text = f"{self.record_format} {self.field_delimiter!r} {settings}"
        for name in _SINCE:
            if name in self.model_fields_set:
                text += f" {name}={getattr(self, name)!r}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _suffix_format(path: str) -> Format | None:
    try:
        text = parse_address(path).path
    except ValueError:
        return None
    while text.lower().endswith(_PACKED):
        text = text.rpartition(".")[0]
    return _SUFFIXES.get(PurePosixPath(text).suffix.lower())


def _is_reference(paths: tuple[str, ...]) -> bool:
    return any(parse_reference(path) is not None for path in paths)
