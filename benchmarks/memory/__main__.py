"""`python -m benchmarks.memory`: the most memory a worker takes; ends with 1 when one passed the limit."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.memory import files, pages
from benchmarks.memory.pages import PagesConfig, Shape
from benchmarks.memory.runs import CARRIED, STAGED, Taken, private_postgres, run_job
from etl_core.process import configure_logging
from etl_core.settings import Settings

MOST: Final = 400_000_000
"""Bytes that no worker may pass."""
LONG_LINES: Final = 12
HEADER: Final = (
    "| input | worker of | rows | seconds | idle, MB | peak, MB |\n| --- | --- | --- | --- | --- | --- |"
)
_WRITERS: Final[dict[str, Callable[[Path, int], None]]] = {
    "rows.csv": files.write_csv,
    "rows.jsonl": files.write_jsonl,
    "long-lines.jsonl": files.write_long_lines,
}
PARTS: Final = (*_WRITERS, *Shape)


@dataclass(frozen=True, slots=True)
class Case:
    """What one job reads, and by which workers."""

    name: str
    kind: str
    config: dict[str, Any]
    rows: int
    workers: tuple[tuple[str, ...], ...]


def main() -> int:
    """Measures what is asked for and prints a row for each worker."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the files (default: 5,000,000)")
    parser.add_argument("--page-bytes", type=int, default=64_000_000, help="of a page (default: 64,000,000)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    options = parser.parse_args()
    configure_logging(Settings(log_level="warning"))
    print(HEADER, flush=True)
    most = 0
    with private_postgres() as servers:
        for part in options.parts:
            if part in _WRITERS:
                case = _write(servers.folder / part, options.rows)
            else:
                case = _of_pages(Shape(part), options.page_bytes)
            for workers in case.workers:
                taken = asyncio.run(run_job(servers, case.kind, case.config, workers, rows=case.rows))
                _tell(case.name, taken)
                most = max(most, *taken.peak.values())
            (servers.folder / part).unlink(missing_ok=True)
    print(f"\n{'past' if most > MOST else 'within'} the limit of {MOST // 1_000_000} MB")
    return int(most > MOST)


def _write(path: Path, rows: int) -> Case:
    """A file of millions of rows, for one worker; long lines also through every stage's queue."""
    is_long = path.name.startswith("long")
    number = LONG_LINES if is_long else rows
    _WRITERS[path.name](path, number)
    config = {"path": str(path), "stream": "rows", "key": ["id"]}
    size = path.stat().st_size
    name = f"`{path.name}`, {size / 1e6:,.0f} MB, {size / number:,.0f} bytes a row"
    return Case(name, "files", config, number, (CARRIED, STAGED) if is_long else (CARRIED,))


def _of_pages(shape: Shape, page_bytes: int) -> Case:
    config = PagesConfig(shape=shape, page_bytes=page_bytes)
    return Case(
        f"pages of {page_bytes / 1e6:,.0f} MB, {shape}",
        pages.TYPE,
        config.model_dump(mode="json"),
        config.pages * pages.rows_of_a_page(config),
        (CARRIED, STAGED),
    )


def _tell(name: str, taken: Taken) -> None:
    for stages, peak in taken.peak.items():
        idle = taken.idle[stages]
        print(
            f"| {name} | {stages.replace(',', ', ')} | {taken.rows:,} | {taken.seconds:,.0f} |"
            f" {idle / 1e6:.0f} | {peak / 1e6:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
