"""Has the C library give large blocks back to the system as soon as they are free."""

from __future__ import annotations

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1024 * 1024


def give_large_blocks_back() -> None:
    """For a whole process, before it works; does nothing where the C library is not glibc.

    By itself glibc takes the first large block that is freed for a sign that more will come: from then on it
    keeps up to 64 MB free in each thread's arena, in pieces that fit nobody. A worker that met one large page
    held up to 70 MB more for it (docs/performance.md, Memory). A threshold that is set stays (mallopt(3)).
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    set_option(_M_MMAP_THRESHOLD, _LARGE)
