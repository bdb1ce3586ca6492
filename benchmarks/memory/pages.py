"""A connector whose pages are as large as it is told, for no connector of ours yields 64 MB at once.

Workers find it by an entry point, as they find those of installed packages: `installed` makes a folder that
is a package to Python once it is on its path.
"""

from __future__ import annotations

import builtins
import random
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from benchmarks.memory.files import hexadecimal
from benchmarks.pipeline.records import Phase, records
from etl_core.connector import Column, ColumnType, ExtractContext, Finding, Fragment, Page, Record, Stream
from etl_core.connectors_registry import GROUP

TYPE: Final = "benchmark-pages"
_BODY: Final = "body"
_T = ColumnType


class Shape(StrEnum):
    """What a page is made of."""

    TEXTS = "texts"
    """Rows with a text of 4 MB."""
    DOCUMENTS = "documents"
    """Rows with a JSON document of 64 KB."""
    ISSUES = "issues"
    """The rows of the pipeline's benchmark, ~690 bytes of JSON in 12 fields."""


class PagesConfig(BaseModel):
    """So many pages of so many bytes as JSON, a little more or less."""

    model_config = ConfigDict(extra="forbid")

    shape: Shape
    pages: int = 3
    page_bytes: int = 64_000_000


class PagesConnector:
    """One partition; each page has rows of its own."""

    type: ClassVar[str] = TYPE
    default_max_runs: ClassVar[int | None] = None
    Config: ClassVar[builtins.type[BaseModel]] = PagesConfig

    def __init__(self, config: PagesConfig) -> None:
        self.config = config

    async def check(self) -> Sequence[Finding]:
        return []

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        columns = [Column("id", _T.BIGINT), Column(_BODY, _body_type(self.config.shape))]
        if self.config.shape is Shape.ISSUES:
            columns = [Column(name, type_) for name, type_ in _ISSUE_COLUMNS.items()]
        return [Stream("rows", tuple(columns), ("id",))]

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        config = self.config
        done = (context.state("rows").bookmark or {}).get("page", 0)
        for number in range(done + 1, config.pages + 1):
            yield Page(
                lane="rows",
                records={"rows": _rows(config, number)},
                checkpoint=[Fragment("rows", "default", {"page": number})],
            )

    def transform(self, stream: Stream, record: Record) -> Record:
        return record


_ISSUE_COLUMNS: Final = {
    **dict.fromkeys(("id", "number", "comments"), _T.BIGINT),
    **dict.fromkeys(("repository", "title", "state", "author", "body"), _T.TEXT),
    **dict.fromkeys(("created_at", "updated_at"), _T.TIMESTAMPTZ),
    **dict.fromkeys(("labels", "reactions"), _T.JSONB),
}
_ROW_BYTES: Final = {Shape.TEXTS: 4_000_000, Shape.DOCUMENTS: 64_000, Shape.ISSUES: 693}


def rows_of_a_page(config: PagesConfig) -> int:
    """How many rows each page has."""
    return config.page_bytes // _ROW_BYTES[config.shape]


def _body_type(shape: Shape) -> ColumnType:
    return _T.JSONB if shape is Shape.DOCUMENTS else _T.TEXT


def _rows(config: PagesConfig, page: int) -> list[dict[str, Any]]:
    rng = random.Random(page)
    first, number = page * 1_000_000, rows_of_a_page(config)
    match config.shape:
        case Shape.TEXTS:
            size = _ROW_BYTES[Shape.TEXTS]
            return [{"id": first + n, _BODY: hexadecimal(rng, size)} for n in range(number)]
        case Shape.DOCUMENTS:
            return [
                {"id": first + n, _BODY: {"parts": [hexadecimal(rng, 1_000) for _ in range(64)]}}
                for n in range(number)
            ]
        case Shape.ISSUES:
            return [{**record, "id": first + record["id"]} for record in records(number, Phase.INSERT)]


def installed(folder: Path) -> Path:
    """Makes `folder` a place where Python finds the connector's entry point."""
    told = folder / "etl_tui_benchmark_pages-1.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: etl-tui-benchmark-pages\nVersion: 1\n")
    (told / "entry_points.txt").write_text(f"[{GROUP}]\n{TYPE} = {__name__}:{PagesConnector.__name__}\n")
    return folder
