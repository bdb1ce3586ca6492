"""Stops an embedded server when its last user is gone, however that user ended.

A process of its own, started by `server.start` as `python -m etl_core.store.embedded.keeper FOLDER`. Every
user of the server holds a shared lock on `users.lock`, which the kernel drops even on kill -9; the keeper
gets the exclusive one when nobody is left.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from pathlib import Path

from etl_core.store.embedded import postmaster


def main(folder: Path) -> None:
    """Waits, stops the server, ends. Ends at once where another keeper waits already."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:  # the lock files are there, unless the folder is being removed
        mine = os.open(folder / "keeper.lock", os.O_RDWR)
        users = os.open(folder / "users.lock", os.O_RDWR)
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return
    fcntl.flock(users, fcntl.LOCK_EX)
    postmaster.stop(folder / "data")
    # In this order: whoever waits for `users.lock` must then find no keeper, so that it starts a new one.
    os.close(mine)
    os.close(users)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
