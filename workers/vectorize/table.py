"""A table to be vectorized, as one row of `vectorized_tables` and the catalog tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from etl_core.embeddings import EmbedderConfig
from etl_core.embeddings.columns import text_columns
from etl_core.errors import InvalidInput, Permanent

ROW_ID: Final = "_row_id"
"""The key of a table whose stream has none."""
OWN_COLUMNS: Final = ("_text_hash", "_model", "_embedding", "_error", "_embedded_at")

Key = list[str]
"""The values of a row's key as text, in the order of the key's columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the key."""

    name: str
    type: str
    """PostgreSQL's own words for it, such as `timestamp with time zone`."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The keys after `begins` up to and with `ends`; None: no bound on that side."""

    begins: Key | None
    ends: Key | None


@dataclass(frozen=True, slots=True)
class VectorTable:
    """Which text of which rows goes where."""

    schema: str
    table: str
    vectors: str
    key: tuple[Column, ...]
    texts: tuple[str, ...]
    """The columns whose text is embedded, joined by line ends."""
    max_chars: int
    """What of a row's text is past so many characters is not embedded."""
    place: str
    """The schema of pgvector."""

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person has set for the stream, in one version."""

    id: int
    version: int
    embedder: EmbedderConfig
    label: str | None
    """What a vector is marked with; None until the dimension is known."""
    batch_size: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Settings:
        embedder = EmbedderConfig(
            row["provider"], row["model"], row["url"], row["api_key"], dimension=row["dimension"]
        )
        return cls(row["settings_id"], row["version"], embedder, row["label"], row["batch_size"])


def key_columns(row: Mapping[str, Any], catalog: Mapping[str, str]) -> tuple[Column, ...]:
    """The key of the destination table with the types that it has now, by the catalog (name -> type).

    Raises:
        Permanent: the table is not as its job made it.
    """
    names = {entry["name"]: entry["column"] for entry in row["table_columns"]}
    key = [names[field] for field in row["stream_key"]] or [ROW_ID]
    table = f"{row['schema_name']}.{row['table_name']}"
    for name in key:
        if name not in catalog:
            raise Permanent(
                f"{table} has no column {name}, its key: somebody changed it by hand; change it back"
            )
        if name in OWN_COLUMNS:
            raise Permanent(f"{table} has a key column {name}, which a table of vectors needs for itself")
    return tuple(Column(name, catalog[name]) for name in key)


def chosen_texts(row: Mapping[str, Any], catalog: Mapping[str, str]) -> tuple[str, ...]:
    """The columns to embed.

    Raises:
        Permanent: one is not there, or holds no text any more.
    """
    table = f"{row['schema_name']}.{row['table_name']}"
    try:
        texts = text_columns(row["table_columns"], row["columns"], table=table)
    except InvalidInput as error:
        raise Permanent(f"{error}; set others with `etl-tui integrations vectorize`") from None
    for name in texts:
        if name not in catalog:
            raise Permanent(f"column {name} of {table} was dropped by hand; its job makes it again")
    return texts
