"""Singer taps that are installed on this machine, each in a folder of its own: a venv, and a record of it.

`<data folder>/taps/<name>/tap.json` says what it is and where its program lies. `connectors install` writes
it, workers and `connectors list` read it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from etl_core.settings import data_dir

RECORD = "tap.json"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
"""A package's name as PyPI writes it when normalised."""


class InstalledTap(BaseModel):
    """What is known of an installed tap."""

    model_config = ConfigDict(frozen=True)

    name: str
    """The package, normalised: `tap-spreadsheets`."""
    version: str
    licence: str
    """By the package's own metadata; "unknown" where it tells none."""
    summary: str = ""
    program: Path
    """Absolute; in the tap's own venv."""
    installed_at: datetime


def taps_dir() -> Path:
    """Where this user's taps are."""
    return data_dir() / "taps"


def installed_taps() -> Iterator[InstalledTap]:
    """All of this user, by name; a folder without a record is none."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        for folder in sorted(taps_dir().iterdir()):
            if (tap := find_tap(folder.name)) is not None:
                yield tap


def find_tap(name: str) -> InstalledTap | None:
    """The installed tap of that name."""
    if not NAME.fullmatch(name):
        return None
    try:
        return InstalledTap.model_validate_json((taps_dir() / name / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None
