"""Textual's driver of a terminal, made to outlive the terminal: one that is gone ends the program, no thread.

Textual's own reads a closed terminal for ever at full speed, its writing thread dies of the first error and
the next writes wait for it for ever, and a SIGCONT without a stop before it (`kill -CONT`, a thawed
container) takes the terminal a second time, after which nobody knows how it was.
"""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Callable
from typing import IO, Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from etl_tui.app.terminal.screen_image import ScreenImage


class TerminalDriver(LinuxDriver):
    """Ends the app, as SIGHUP does, when the terminal is gone."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._tell_gone: Callable[[], None] = getattr(app, "terminal_gone", app.exit)
        if self._file is not None:
            self._file = _Outlet(self._file, self._tell_gone)  # type: ignore[assignment] # all that is called
        self._has_terminal = self._is_watched = False
        self._image = ScreenImage()

    def write(self, data: str) -> None:
        """Writes what differs from what the terminal shows."""
        if thinned := self._image.thin(data):
            super().write(thinned)

    def forget_screen(self) -> None:
        """The terminal may show anything: the next frame is sent as it is."""
        self._image.forget()

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call] # as Textual has it
        # In the background it returns early: the shell has stopped us again.
        self._has_terminal = self._key_thread is not None and self._key_thread.is_alive()
        if self._has_terminal and self.input_tty and not self._is_watched:
            self._is_watched = True
            threading.Thread(
                target=_wait_for_hangup,
                args=(self.fileno, self._tell_gone),
                name="terminal watch",
                daemon=True,
            ).start()

    def stop_application_mode(self) -> None:
        self._has_terminal = False
        super().stop_application_mode()

    def resume_application_mode(self) -> None:
        if self._has_terminal:  # stopped from outside: whoever did it may have changed the terminal
            self.suspend_application_mode()
            self._must_signal_resume = True
        super().resume_application_mode()

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:  # the terminal is gone
            self._tell_gone()
        except Exception as error:
            self._app.call_later(self._app._handle_exception, error)


def _wait_for_hangup(terminal: int, tell: Callable[[], None]) -> None:
    """Sleeps until the other end is closed; poll with no events asked for reports only that."""
    poll = select.poll()
    poll.register(terminal, 0)
    with contextlib.suppress(OSError):
        poll.poll()
    tell()


class _Outlet:
    """Where the driver writes. What a closed terminal refuses is dropped, and told once."""

    def __init__(self, file: IO[str], tell: Callable[[], None]) -> None:
        self._file = file
        self._tell = tell
        self._is_gone = False

    def write(self, text: str) -> None:
        if not self._is_gone:
            try:
                self._file.write(text)
            except (OSError, ValueError):
                self._go()

    def flush(self) -> None:
        if not self._is_gone:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self._go()

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return not self._is_gone and self._file.isatty()

    def _go(self) -> None:
        self._is_gone = True
        self._tell()
