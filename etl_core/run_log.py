"""What a connector tells of a run, line by line: `etl-tui runs log RUN` prints it."""

from __future__ import annotations

from typing import Literal, Protocol

Level = Literal["debug", "info", "warning", "error"]


class RunLog(Protocol):
    """The log of one run. Kept bounded: of a run that tells too much the middle is left out."""

    def write(self, message: str, level: Level = "info") -> None:
        """Adds a line and returns at once. Secrets that the process knows are taken out of it."""


class Unheard:
    """The log of what is no run of a worker's: nobody reads it."""

    def write(self, message: str, level: Level = "info") -> None:
        return
