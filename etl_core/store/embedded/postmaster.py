"""Looks at and stops the PostgreSQL server of a data folder, by its `postmaster.pid`.

The pid in that file may be stale, and by now belong to any other program: a server counts as running
only when the process is a `postgres` started on exactly this folder.
"""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

import psutil

_POLL = 0.02
_SOCKETS_LINE, _STATUS_LINE = 4, 7
_PID_FILE = "postmaster.pid"


def running(data: Path) -> psutil.Process | None:
    """The live server of a data folder (a resolved path), ready or not yet; None if there is none."""
    pid = _read_pid(data)
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline():
            return process
    except psutil.NoSuchProcess:  # gone, or a zombie whose command line cannot be read
        pass
    return None


def is_ready(data: Path) -> bool:
    """Whether the server says that it takes connections (line 8 of `postmaster.pid`)."""
    lines = _read_lines(data)
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def is_alive(pid: int) -> bool:
    """Whether a process still runs (one that only waits to be buried does not)."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def stop(data: Path, *, patience: float = 30) -> bool:
    """Stops the server: fast, after `patience` seconds at once, at last by force. False if none ran."""
    process = running(data)
    if process is None:
        return False
    lines = _read_lines(data)
    for number, seconds in ((signal.SIGINT, patience), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            break
        if _gone(data, seconds):
            break
    if len(lines) > _SOCKETS_LINE and (sockets := lines[_SOCKETS_LINE].strip()) != str(data):
        with contextlib.suppress(OSError):
            Path(sockets).rmdir()
    return True


def clear_remains(data: Path, sockets: Path, *, patience: float = 10) -> None:
    """Makes a start possible after the server was killed: waits for its orphans, then drops a pid file
    whose number was given to another program. Call it only when no server is `running`.

    Orphaned backends still use the old shared memory: a second server beside them would ruin the data.

    Raises:
        TimeoutError: orphans of the killed server are still at work; the message names their pids.
    """
    deadline = time.monotonic() + patience
    while orphans := [process.pid for process in psutil.process_iter(["name"]) if _works_in(process, data)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes of a killed server still use {data}: {orphans}; end them first")
        time.sleep(0.1)
    pid = _read_pid(data)
    if pid is not None and psutil.pid_exists(pid):
        (data / _PID_FILE).unlink(missing_ok=True)
    for left in sockets.glob(".s.PGSQL.*"):
        left.unlink(missing_ok=True)


def _works_in(process: psutil.Process, data: Path) -> bool:
    if process.info["name"] != "postgres":
        return False
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(data))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False  # of another user, so not of our data


def _gone(data: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if running(data) is None:
            return True
        time.sleep(_POLL)
    return running(data) is None


def _read_lines(data: Path) -> list[str]:
    try:
        return (data / _PID_FILE).read_text(errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read_pid(data: Path) -> int | None:
    lines = _read_lines(data)
    return abs(int(lines[0])) if lines and lines[0].strip().lstrip("-").isdigit() else None
