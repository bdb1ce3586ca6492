"""How the dashboard is ended from outside: SIGTERM, SIGHUP (a dropped line), a terminal that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from textual.app import App

PATIENCE = 5.0
"""Seconds in which the program must have ended by itself: a terminal that takes no more output holds it."""
ORDER = (
    "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[?7h\x1b[?1049l\x1b[?25h"
)
"""What gives a terminal back: no mouse, paste or focus reports, lines wrap, the first screen, a cursor."""


class Endings:
    """Ends `app` as `q` does, so that the terminal is given back in order; at once the second time, and in
    any case after PATIENCE, so that no process is left behind."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._loop = asyncio.get_running_loop()
        self._attributes = _attributes()
        self._over = threading.Event()
        self._ending = False

    def end(self, number: int) -> None:
        """From a signal handler or any thread; `number` is that of the signal."""
        if self._ending and number != signal.SIGHUP:  # a terminal that goes away tells it more than once
            self._end_now(number)
        if self._ending:
            return
        self._ending = True
        threading.Thread(target=self._watch, args=(number,), name="end watch", daemon=True).start()
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._app.exit)

    def gone(self) -> None:
        """The terminal is."""
        self.end(signal.SIGHUP)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Signals are heard within; the terminal's modes are as before at the end.

        Python's own handlers, for the loop's wait behind a write that a stalled terminal does not take.
        """

        def heard(number: int, _: FrameType | None) -> None:
            self.end(number)

        before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._over.set()
            self._restore_attributes()

    def _watch(self, number: int) -> None:
        if not self._over.wait(PATIENCE):
            self._end_now(number)

    def _end_now(self, number: int) -> None:
        self._restore_attributes()
        telling = threading.Thread(target=_give_back, daemon=True)
        telling.start()
        telling.join(0.5)  # what is stalled stays so
        os._exit(128 + number)

    def _restore_attributes(self) -> None:
        if self._attributes is not None and _attributes() not in (self._attributes, None):
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSANOW, self._attributes)


def _attributes() -> list[Any] | None:
    try:
        return termios.tcgetattr(0)
    except (termios.error, OSError):  # no terminal, or none any more
        return None


def _give_back() -> None:
    with contextlib.suppress(OSError, ValueError):
        if sys.__stderr__ is not None:
            os.write(sys.__stderr__.fileno(), ORDER.encode())
