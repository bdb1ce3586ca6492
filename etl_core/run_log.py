"""What a run tells, line by line: its worker's milestones, and what its connector says (`runs log RUN`)."""

from __future__ import annotations

from typing import Any, Final, Literal, Protocol

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")
"""The gravest one last."""


class RunLog(Protocol):
    """The log of one run. Kept bounded: of a run that tells too much the middle is left out."""

    def write(self, message: str, level: Level = "info", **fields: Any) -> None:
        """Adds a line and returns at once. Secrets that the process knows are taken out of it.

        `fields` are what it is about, by name: JSON values; a few short ones.
        """


class Unheard:
    """The log of what is no run of a worker's: nobody reads it."""

    def write(self, message: str, level: Level = "info", **fields: Any) -> None:
        return
