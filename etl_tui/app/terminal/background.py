"""Asks the terminal for its background: OSC 11, and behind it a question that every terminal answers.

Only where the answer cannot come late: what arrives after Textual has begun to read would be taken for keys,
and `r` runs a job. So never over SSH or mosh; there COLORFGBG, `--theme` or the setting tell.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import termios
import time
from collections.abc import Mapping
from typing import Final

PATIENCE: Final = 0.3
"""Seconds; a terminal on this machine needs one or two milliseconds."""
_ASK: Final = b"\x1b]11;?\x1b\\\x1b[c"
_COLOUR: Final = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_END: Final = re.compile(rb"\x1b\[\?[0-9;]*c")
"""The answer to the second question: behind it nothing comes any more."""


def may_ask(environ: Mapping[str, str]) -> bool:
    """Whether an answer would come at once, if at all."""
    far = any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT", "MOSH_CONNECTION"))
    term = environ.get("TERM", "")
    return not far and term not in ("", "dumb", "linux") and not term.startswith("vt")


def is_light(answer: bytes) -> bool | None:
    """Of the terminal's answer; None when it says nothing of its background."""
    found = _COLOUR.search(answer)
    if found is None:
        return None
    red, green, blue = (int(part, 16) / (16.0 ** len(part) - 1) for part in found.groups())
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5)


def ask_background(environ: Mapping[str, str] = os.environ) -> bool | None:
    """True for a light background, False for a dark one, None when nobody knows."""
    if not may_ask(environ) or sys.__stdin__ is None or sys.__stderr__ is None:
        return None
    try:
        source, target = sys.__stdin__.fileno(), sys.__stderr__.fileno()
        before = termios.tcgetattr(source)
        raw = termios.tcgetattr(source)
        raw[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(source, termios.TCSADRAIN, raw)
    except (termios.error, OSError, ValueError):
        return None
    try:
        os.write(target, _ASK)
        return is_light(_read_answer(source))
    except OSError:
        return None
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(source, termios.TCSADRAIN, before)


def _read_answer(source: int) -> bytes:
    answer, until = b"", time.monotonic() + PATIENCE
    while not _END.search(answer) and (left := until - time.monotonic()) > 0:
        if select.select([source], [], [], left)[0]:
            if not (read := os.read(source, 1024)):
                break
            answer += read
    return answer
