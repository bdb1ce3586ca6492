"""What an app owes its terminal: an error ends it in order, Ctrl-Z and `fg` work, copies arrive."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rich.console import RenderableType
from textual import constants
from textual.app import App
from textual.driver import Driver
from textual.worker import WorkerFailed

from etl_tui.app.terminal.driver import TerminalDriver
from etl_tui.app.terminal.escapes import clipboard


class SteadyApp(App[int]):
    """To be mixed in before other Apps."""

    terminal_gone: Callable[[], None]

    @property
    def crash(self) -> BaseException | None:
        """The error that nobody expected and that ended it."""
        error = self._exception
        return error.error if isinstance(error, WorkerFailed) else error

    @property
    def terminal_facts(self) -> str:
        """What a report may tell of the terminal: nothing from the environment."""
        colours = self.console.color_system or "no"
        kind = type(self._driver).__name__
        return f"{self.size.width} x {self.size.height} cells, {colours} colours, theme {self.theme}, {kind}"

    def get_driver_class(self) -> type[Driver]:
        if constants.DRIVER is not None:
            return super().get_driver_class()
        return TerminalDriver

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, self._come_back)

    def forget_screen(self) -> None:
        """The terminal shows nothing that could be relied on: it was resized, or others wrote to it."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.forget_screen()

    def repaint(self) -> None:
        """Sends the whole screen again."""
        self.forget_screen()
        self.screen.refresh()

    def _come_back(self, _: Any) -> None:
        # What a shell wrote meanwhile stands where nothing of ours has changed.
        self.forget_screen()
        self.screen.refresh(layout=True)

    def copy_to_clipboard(self, text: str) -> None:
        self._clipboard = text
        self.write_to_terminal(clipboard(text, os.environ))

    def write_to_terminal(self, sequence: str) -> None:
        """What is for the terminal itself, not for the screen."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    # Textual's own print a traceback with the values of variables, secrets among them.

    def panic(self, *renderables: RenderableType) -> None:
        self._close_messages_no_wait()

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()
