"""A tab with a line to type into: Enter keeps what was typed, Esc drops it, and the focus goes back."""

from __future__ import annotations

from textual import on

from etl_tui.app.job.desk import Desk
from etl_tui.app.job.prompt_line import PromptLine
from etl_tui.app.job.tab import JobTab


class PromptedTab(JobTab):
    """Subclasses place `prompt` and follow what is typed into it."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.prompt = PromptLine(desk.look)

    def prompt_dropped(self) -> None:
        """Nothing is looked for any more."""

    def leave_mode(self) -> bool:
        if self.prompt.clear():
            self.prompt_dropped()
            self.take_focus()
            return True
        return False

    @on(PromptLine.Kept)
    def _take_focus_back(self) -> None:
        self.take_focus()

    @on(PromptLine.GivenUp)
    def _drop_prompt(self) -> None:
        self.leave_mode()
