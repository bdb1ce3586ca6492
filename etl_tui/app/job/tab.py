"""What the tabs have in common: they load when opened and when the job changed, and have commands."""

from __future__ import annotations

from typing import ClassVar

from textual.containers import Vertical
from textual.message import Message

from etl_core.models.job import JobRow
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.latest import run_latest


class JobTab(Vertical):
    """A part of the job screen that is there once it was opened. Its keys hold while it has the focus."""

    DEFAULT_CSS = "JobTab { height: 1fr; }"
    TITLE: ClassVar[str]
    PLACE: ClassVar[str]
    """As commands have it."""

    class Loaded(Message):
        """What can be done here may be other than before."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._loaded_for: tuple[int, ...] | None = None
        self._is_laid_out = False

    def on_mount(self) -> None:
        # What answers before the parts are laid out might be shown in a part that is not there yet.
        self.call_after_refresh(self._load_first)

    def _load_first(self) -> None:
        self._is_laid_out = True
        self.begin_loading()

    async def load(self) -> None:
        """Asks for what it shows, and shows it."""
        raise NotImplementedError

    def why_not(self, command: str) -> str | None:
        """Why a command can do nothing here and now; None when it can."""
        return None

    def tick(self) -> None:
        """Follows the clock, once a second while it is seen."""

    def leave_mode(self) -> bool:
        """Ends a search or the like; False when there is none to end."""
        return False

    def take_focus(self) -> None:
        """Gives the focus to what has the keys."""
        raise NotImplementedError

    def begin_loading(self) -> None:
        """Loads beside the screen; a load that is under way is given up for it."""
        if self._is_laid_out:
            run_latest(self, self._load, "load")

    async def _load(self) -> None:
        await self.load()
        self.post_message(self.Loaded())

    def job_changed(self, job: JobRow) -> None:
        """Loads again when something of the job, or of its run, is other than at the last load."""
        state = self.state_of(job)
        if state != self._loaded_for:
            self._loaded_for = state
            self.begin_loading()

    def state_of(self, job: JobRow) -> tuple[int, ...]:
        """What must change before it is worth loading again."""
        return (job.row_version, job.run_id or 0, job.rows_extracted or 0)
