"""A private folder for a program: what it is given in files, secrets among it, and what it leaves.

The program's watcher removes it, also when the worker was killed. What is left where both were (a power cut)
goes when the next program of this user starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from etl_core.errors import Permanent

FRESH = 60.0
"""Seconds; of a folder so young the watcher may not have begun."""


def make_run_folder() -> Path:
    """A new folder that only this user can enter.

    Raises:
        Permanent: somebody else has made its parent.
    """
    parent = Path(tempfile.gettempdir()) / f"etl-tui-runs-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        parent.mkdir(mode=0o700)
    found = parent.lstat()
    if parent.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise Permanent(f"{parent} must be a folder of the worker's user with mode 700; remove it")
    _remove_what_was_left(parent)
    return Path(tempfile.mkdtemp(dir=parent))


def remove_run_folder(folder: Path) -> None:
    """Of a program that has no watcher, or lost it: else that does it."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(f"{folder}.lock").unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only this user can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def _remove_what_was_left(parent: Path) -> None:
    for folder in parent.iterdir():
        if folder.suffix == ".lock":
            continue
        with contextlib.suppress(OSError):  # in use, or another worker was quicker
            if time.time() - folder.stat().st_mtime < FRESH:
                continue
            lock = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                Path(f"{folder}.lock").unlink(missing_ok=True)
            finally:
                os.close(lock)
