"""A command: one thing that can be done in the app, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EVERYWHERE: Final = "everywhere"
"""The place of what every screen can do; its action is the app's."""
JOBS: Final = "jobs"
JOB: Final = "job"


@dataclass(frozen=True, slots=True)
class Command:
    """Its `action` is a Textual action of the screen (`run_now` calls `action_run_now`; of the app for
    EVERYWHERE).

    `keys` are Textual's names (`r`, `ctrl+r`, `question_mark`). A command that `takes` something is given it
    by the `:` line, as a text, and without it is called plainly: `action_sort(self, text="")`. `hint` is
    its word in the last line of the screen, none for what goes without saying. `changes`: it changes the
    database, which a read-only context refuses.
    """

    name: str
    sentence: str
    action: str
    keys: tuple[str, ...] = ()
    places: tuple[str, ...] = (EVERYWHERE,)
    hint: str = ""
    takes: str = ""
    changes: bool = False
    needs: bool = False
    """It can do nothing without what it takes."""
    aliases: tuple[str, ...] = ()
    """Other names in the `:` line."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    def works_at(self, place: str) -> bool:
        """Whether it can be done at a place (`job.log`: also what can be done at `job`), or everywhere."""
        return any(own in (EVERYWHERE, place) or place.startswith(f"{own}.") for own in self.places)
