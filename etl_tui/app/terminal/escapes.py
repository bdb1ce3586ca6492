"""Escape sequences for the terminal itself: clipboard and notifications, through tmux and screen, too."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from etl_tui.app.look.cells import clean, cut

BELL = "\a"
MOST_CELLS = 120
"""Of a notification's text."""
_SCREEN_CHUNK = 700
"""Bytes: GNU screen cuts a string that it passes on at 768."""


def clipboard(text: str, environ: Mapping[str, str]) -> str:
    """OSC 52. tmux takes it itself (`set-clipboard on`); screen is made to pass it on."""
    sequence = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"
    return _through_screen(sequence) if _in_screen(environ) else sequence


def notification(title: str, text: str, environ: Mapping[str, str]) -> str:
    """A desktop notification: OSC 777 where the terminal is known to want that, else OSC 9.

    tmux passes it on where `allow-passthrough` is on, so a bell comes with it there.
    """
    title, text = _told(title), _told(text)
    term = environ.get("TERM", "")
    if term.startswith(("rxvt", "foot")):
        sequence = f"\x1b]777;notify;{title};{text}\a"
    else:  # what begins with a digit may be a command of another kind
        sequence = f"\x1b]9;{title}: {text}\a"
    if environ.get("TMUX"):
        return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\{BELL}"
    return _through_screen(sequence) + BELL if _in_screen(environ) else sequence


def _told(text: str) -> str:
    return cut(clean(text), MOST_CELLS).replace(";", ",")


def _in_screen(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("STY")) and not environ.get("TMUX")


def _through_screen(sequence: str) -> str:
    parts = [sequence[at : at + _SCREEN_CHUNK] for at in range(0, len(sequence), _SCREEN_CHUNK)]
    return "".join(f"\x1bP{part}\x1b\\" for part in parts)
