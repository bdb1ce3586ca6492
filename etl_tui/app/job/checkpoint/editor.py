"""A checkpoint, a part of it, or a record to edit as JSON: checked as one types, each error with its path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import TextArea

from etl_core.control.checkpoints import Problem
from etl_core.rules.job_tone import Tone
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.job.latest import run_latest
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.text_view import TextView
from etl_tui.app.look.theme import Look

CHECK_AFTER = 0.3
"""Seconds without a key before the text is checked."""
MOST_PROBLEMS = 5


class EditDialog(Dialog[str | None]):
    """Answers the text that is to be written, which has no problem that is known; None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "go_on", show=False, priority=True),
        Binding("escape", "close", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    EditDialog TextArea { height: 1fr; border: none; background: $background; color: $foreground;
        scrollbar-size: 1 1; }
    EditDialog #problems { height: auto; max-height: 5; overflow-x: hidden; }
    """

    def __init__(
        self,
        look: Look,
        title: str,
        text: str,
        check: Callable[[str], Sequence[Problem]],
        *,
        line: int = 0,
        told: str = "",
        going_on: str = "what will happen",
    ) -> None:
        super().__init__(look)
        self._title = title
        self._text = text
        self._check = check
        self._line = line
        self._told = told
        self._going_on = going_on
        self._problems: Sequence[Problem] = ()
        self._left = ""

    def compose(self) -> ComposeResult:
        show = self.look.glyphs.show
        frame = Vertical(classes="frame")
        frame.border_title = show(clean(self._title)).replace("[", r"\[")
        frame.border_subtitle = show(f"^s {self._going_on} · esc leave it")
        with frame:
            yield TextArea(
                self._text, theme="css", soft_wrap=False, show_line_numbers=True, tab_behavior="indent"
            )
            yield TextView(self.look, "problems")

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.focus()
        area.move_cursor((self._line, 0))
        self.query_one("#problems", TextView).can_focus = False
        self._show_problems(self._check(area.text))

    @on(TextArea.Changed)
    def _typed(self) -> None:
        run_latest(self, self._check_soon, "check")

    async def _check_soon(self) -> None:
        await asyncio.sleep(CHECK_AFTER)
        text = self.query_one(TextArea).text
        if text != self._left:  # else it stands there that it is not kept
            self._show_problems(self._check(text))

    def _show_problems(self, problems: Sequence[Problem]) -> None:
        self._problems = problems
        look = self.look
        lines = [
            [Piece(f" {Tone.FAILED.glyph} {clean(str(problem))}", look.tone(Tone.FAILED))]
            for problem in problems[:MOST_PROBLEMS]
        ]
        if not lines:
            told = f"  {self._told}" if self._told else ""
            lines = [[Piece(f" {Tone.FINISHED.glyph} it can be written", look.dim), Piece(told, look.dim)]]
        view = self.query_one("#problems", TextView)
        view.styles.height = len(lines)
        view.show_lines(lines)

    def action_close(self) -> None:
        """What was changed is dropped only by a second esc."""
        text = self.query_one(TextArea).text
        if text in (self._text, self._left):
            self.dismiss(None)
            return
        self._left = text
        tone = Tone.WAITING
        told = f" {tone.glyph} what was changed here is not kept: esc again leaves it"
        view = self.query_one("#problems", TextView)
        view.styles.height = 1
        view.show_lines([[Piece(told, self.look.tone(tone))]])

    def action_go_on(self) -> None:
        """Refused while there is a problem: the cursor goes where its line is known."""
        area = self.query_one(TextArea)
        self._show_problems(self._check(area.text))
        if not self._problems:
            self.dismiss(area.text)
        elif self._problems[0].line is not None:
            area.move_cursor((self._problems[0].line - 1, (self._problems[0].column or 1) - 1))
