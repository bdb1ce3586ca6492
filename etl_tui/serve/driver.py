"""Textual's driver of a served app, which ends the app when its server is gone: no process is left behind."""

from __future__ import annotations

import contextlib

from textual.drivers.web_driver import WebDriver
from textual.events import AppFocus
from textual.messages import ExitApp

NAME = "etl_tui.serve.driver:ServedDriver"
"""As `TEXTUAL_DRIVER` has it."""


class ServedDriver(WebDriver):
    """Somebody looks from the start, and the end of its input is the app's."""

    def start_application_mode(self) -> None:
        super().start_application_mode()
        # Textual's begins as if nobody looked, until a click; the page tells when it cannot be seen.
        self._app.call_later(self._app.post_message, AppFocus())

    def run_input_thread(self) -> None:
        try:
            super().run_input_thread()
        finally:
            with contextlib.suppress(RuntimeError):  # its loop has ended
                self._app.post_message(ExitApp())
