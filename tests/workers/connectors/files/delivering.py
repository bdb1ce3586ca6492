"""Delivering files to a folder, and reading them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etl_core.testing.walking import Destination, run
from workers.connectors.files import FilesConnector
from workers.connectors.files.config import FilesConfig

Where = Path | str | Sequence[Path | str]


def connector(path: Where, **config: Any) -> FilesConnector:
    """Files may be as young as they like: tests write what they read."""
    return FilesConnector(FilesConfig.model_validate({"path": _paths(path), "min_age_s": 0, **config}))


def _paths(path: Where) -> str | list[str]:
    return str(path) if isinstance(path, Path | str) else [str(each) for each in path]


def deliver(path: Path, content: str | bytes, *, age_s: float = 3_600) -> Path:
    """Writes a file (gzip by its suffix) whose time of change lies back far enough to be believed."""
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))
    return path


async def read(path: Where, into: Destination | None = None, **config: Any) -> Destination:
    loaded = into or Destination()
    await run(connector(path, **config), loaded)
    return loaded


async def types_of(path: Where, **config: Any) -> dict[str, str]:
    streams = await run(connector(path, **config), Destination(), stop_after=0)
    return {column.name: str(column.type) for column in streams[0].columns}


def table(loaded: Destination, stream: str) -> list[Any]:
    return list(loaded.rows.get(stream, {}).values())
