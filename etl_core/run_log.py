"""What a run tells, line by line: its worker's milestones, and what its connector says (`runs log RUN`).

A worker logs as any process does, with structlog. While `heard_by` is in force, what is logged goes to the
run's log, too: `tell_run`, one of the processors, sees to that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

if TYPE_CHECKING:
    from structlog.typing import EventDict

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")
"""The gravest one last."""
LEFT_OUT: Final = "lines_left_out"
"""The field of the one line of a log that stands for those between the first and the last ones."""

_ABOUT_THE_LINE = frozenset(
    # What the run's log has by itself, or is not for people; the arguments of a call may be a whole page.
    {
        "event",
        "level",
        "timestamp",
        "run",
        "job",
        "logger",
        "exc_info",
        "stack_info",
        "exception",
        "args",
        "kwargs",
    }
)


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


_heard: ContextVar[RunLog | None] = ContextVar("run_log", default=None)


@contextmanager
def heard_by(log: RunLog) -> Iterator[None]:
    """What this task, and those that it starts, log is told in the run's log, too."""
    token = _heard.set(log)
    try:
        yield
    finally:
        _heard.reset(token)


def tell_run(_: object, method: str, event: EventDict) -> EventDict:
    """A processor of structlog: passes every event on, and adds it to the log of the run that is worked on.

    One that says `in_run_log=False` is told there by somebody else.
    """
    is_wanted = event.pop("in_run_log", True)
    log = _heard.get()
    if log is None or not is_wanted:
        return event
    fields = {name: value for name, value in event.items() if name not in _ABOUT_THE_LINE}
    error = sys.exc_info()[1]
    if event.get("exc_info") and error is not None:
        fields["error"] = f"{type(error).__name__}: {error}"
    level = "error" if method in ("exception", "critical") else method
    if level not in LEVELS:
        level = str(event.get("level", "info")) if event.get("level") in LEVELS else "warning"
    log.write(str(event.get("event", "")), cast("Level", level), **fields)
    return event
