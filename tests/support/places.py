"""Where servers of tests keep their data: in the memory, where there is room."""

from __future__ import annotations

import os
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM = 2_000_000_000
"""Bytes that must be free; a whole run keeps less than half of it there."""


def place() -> str:
    """A folder that every user may enter, for folders of servers; not TMPDIR, which may be a closed one.

    A database for each test is some hundred files: a disk takes ten times as long for them, and it is the
    processor that works. The programs of PostgreSQL may be copied there, so they must be able to run.
    """
    if os.access(_MEMORY, os.W_OK | os.X_OK):
        found = os.statvfs(_MEMORY)
        if found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC:
            return str(_MEMORY)
    return "/tmp"
