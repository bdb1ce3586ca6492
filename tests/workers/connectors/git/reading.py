"""Reads a repository as a run would, and looks at what came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etl_core.testing.walking import Destination, run
from workers.connectors.git import GitConnector
from workers.connectors.git.config import GitConfig

MAIN = ("commits", "refs/heads/main")


def connector(path: Path | str, *refs: str) -> GitConnector:
    return GitConnector(GitConfig(path=str(path), refs=refs))


async def read(path: Path | str, into: Destination | None = None, *refs: str) -> Destination:
    loaded = into or Destination()
    await run(connector(path, *refs), loaded)
    return loaded


def shas(loaded: Destination) -> set[str]:
    return {str(row["sha"]) for row in loaded.rows.get("commits", {}).values()}


def files_of(loaded: Destination, sha: str) -> dict[str, Any]:
    return {row["path"]: row for row in loaded.rows["commit_files"].values() if row["sha"] == sha}
