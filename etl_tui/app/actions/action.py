"""An action: one thing that is done to a job, told of in the words of questions and results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from etl_core.control.audit import Actor
from etl_core.models.job import JobRow
from etl_core.store.database import Connection

Doing: TypeAlias = Callable[[Connection, Actor, JobRow], Awaitable[str]]
"""Does it, and says in half a sentence what came of it: `run 12 is queued`. Raises `EtlError`."""


@dataclass(frozen=True, slots=True)
class Action:
    """`name` heads the question, `yes` is on its button; `effect` says what it will do, in lines.

    `why_not` says why it cannot be done to a job, before it is tried. `undo` is given the job as it was.
    """

    name: str
    yes: str
    effect: Sequence[str]
    do: Doing
    why_not: Callable[[JobRow], str | None] = lambda _: None
    undo: Doing | None = None
    hurts: Callable[[JobRow], Sequence[str]] | None = None
    """What it does to one job, in lines, where that is to be asked; None: it is done without a question."""
