"""Runs one program and ends it with all its descendants: a process of its own, between worker and program.

Started as `python -I -S watcher.py FD` by `workers.subprocesses.program`, with little of the standard
library, so that it starts in some milliseconds. Its stdin is the worker's hand: first what is to be run
(`Order` there, marshalled by the same Python, behind its length in 8 bytes), then nothing; when it ends,
because the worker closed it or died, everything is killed and the folder removed. On FD it tells `pid 7` or
`error ...`; at the end, with exit code or signal, `end 0 - itself` or `end - 15 time`.

Linux: as a subreaper it gets the processes whose parents ended, whatever session they moved to, and finds all
of them through /proc. Elsewhere, and where /proc tells no children (CONFIG_PROC_CHILDREN), it knows the
process group alone, and measures no memory.
"""

# pathlib and contextlib take longer to import than all else here.
# ruff: noqa: PTH110, PTH123, PTH208, SIM105

from __future__ import annotations

import marshal
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # as mypy knows it, without the time that `typing` takes
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

LINUX = sys.platform == "linux"
FINDS_ALL = LINUX and os.path.exists(f"/proc/self/task/{os.getpid()}/children")
LOOK = 0.25
"""Seconds between two looks at the memory."""
PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_OOM_SCORE = "500"
"""Short of memory, the kernel ends the program sooner than the worker or PostgreSQL."""


def main() -> None:
    """Runs the program of the order; ends when the worker lets go."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    told = int(sys.argv[1])
    os.set_inheritable(told, False)
    order = marshal.loads(_read_order())  # noqa: S302 - of the worker that started us
    alive = _hold(order["folder"])
    try:
        Watch(order, told).run()
        _wait_for_the_end()
    finally:
        _remove(order["folder"])
        os.close(alive)


def _read_order() -> bytes:
    size = int.from_bytes(_read_exactly(8), "big")
    return _read_exactly(size)


def _read_exactly(size: int) -> bytes:
    read = b""
    while len(read) < size:
        piece = os.read(0, size - len(read))
        if not piece:
            sys.exit(1)
        read += piece
    return read


def _wait_for_the_end() -> None:
    while os.read(0, 4_096):
        pass


class Watch:
    """One program from its start to its end."""

    def __init__(self, order: dict[str, Any], told: int) -> None:
        self._order = order
        self._told = told
        self._pid = 0
        self._status: int | None = None
        self._ended = "itself"
        self._asked = False

    def run(self) -> None:
        """Until the program and all its descendants are gone."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        if LINUX:
            _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._start()
        self._watch(wake)
        self._end_tree()
        code = os.waitstatus_to_exitcode(self._status or 0)
        self._tell(f"end {code if code >= 0 else '-'} {-code if code < 0 else '-'} {self._ended}")

    def _start(self) -> None:
        failed, failing = os.pipe()
        watcher = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _become(self._order, failing, watcher)
        _try(os.setpgid, self._pid, self._pid)  # the child does so, too: whoever is first
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)  # or the worker would see no end of the program's output
        os.dup2(nowhere, 2)
        os.close(failing)
        error = os.read(failed, 4_096).decode()
        os.close(failed)
        if error:
            os.waitpid(self._pid, 0)
            self._tell(f"error {error}")
            _wait_for_the_end()
            raise SystemExit
        self._tell(f"pid {self._pid}")

    def _watch(self, wake: int) -> None:
        """Until the program has ended, or has to."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(wake, select.POLLIN)
        deadline = time.monotonic() + self._order["time_limit_s"]
        limit = self._order["memory_bytes"] if FINDS_ALL else 0
        while not self._reap():
            left = deadline - time.monotonic()
            if left <= 0:
                self._ended = "time"
            elif limit and sum(map(_resident, _descendants(os.getpid()))) > limit:
                self._ended = "memory"
            elif self._asked:
                self._ended = "stopped"
            if self._ended != "itself":
                return
            for fd, _ in poll.poll(1_000 * min(left, LOOK if limit else left)):
                self._asked |= fd == 0
                if fd == wake:
                    os.read(wake, 4_096)

    def _end_tree(self) -> None:
        """SIGTERM, and SIGKILL to whoever is still there after the time that they have."""
        patience = time.monotonic() + self._order["grace_s"]
        self._signal(signal.SIGTERM)
        while self._is_anybody_there():
            if time.monotonic() > patience:
                self._signal(signal.SIGKILL)
            time.sleep(0.01)

    def _is_anybody_there(self) -> bool:
        ended = self._reap()
        if FINDS_ALL:
            return not ended or bool(_descendants(os.getpid()))
        try:
            os.killpg(self._pid, 0)
        except OSError:
            return not ended
        return True

    def _signal(self, number: int) -> None:
        if not FINDS_ALL:
            _try(os.killpg, self._pid, number)
            return
        for pid in _descendants(os.getpid()):
            _try(os.kill, pid, number)

    def _reap(self) -> bool:
        """Collects who has ended; whether the program has."""
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._pid:
                    self._status = ended[1]
        except ChildProcessError:
            pass
        return self._status is not None

    def _stop(self, *_: object) -> None:
        self._asked = True

    def _tell(self, what: str) -> None:
        _try(os.write, self._told, what.encode() + b"\n")  # the worker may be gone


def _become(order: dict[str, Any], failing: int, watcher: int) -> NoReturn:
    """In the child: becomes the program, or says why not."""
    try:
        os.setpgid(0, 0)
        if LINUX:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != watcher:
                os._exit(127)
            _try(_write, "/proc/self/oom_score_adj", _OOM_SCORE)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(order["directory"])
        os.execve(order["program"], order["argv"], order["environment"])  # noqa: S606
    except OSError as error:
        os.write(failing, f"{error.strerror}: {error.filename or order['program']}".encode())
    os._exit(127)


def _prctl(option: int, value: int) -> None:
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _descendants(pid: int) -> list[int]:
    """All processes below this one, those that have ended and were not collected left out."""
    found: list[int] = []
    for child in _children(pid):
        if not _has_ended(child):
            found.append(child)
        found += _descendants(child)
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    children: list[int] = []
    for task in tasks:
        try:
            children += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
        except OSError:
            continue
    return children


def _has_ended(pid: int) -> bool:
    try:
        return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return True


def _resident(pid: int) -> int:
    """Bytes in memory."""
    try:
        return int(_read(f"/proc/{pid}/statm").split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _try(call: Callable[..., object], *arguments: object) -> None:
    try:
        call(*arguments)
    except OSError:
        pass


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _hold(folder: str) -> int:
    """A lock by which others see that the folder is in use."""
    import fcntl

    lock = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    _try(os.unlink, f"{folder}.lock")


if __name__ == "__main__":
    main()
