"""The most memory that a process and its children had resident at once."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil

INTERVAL = 0.02
"""Seconds between two looks."""
_CHILDREN_EVERY = 50
"""Looks between two searches for children: a search goes through all processes of the machine."""


class Resident:
    """Watches one process from a thread until `stop`."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._children: list[psutil.Process] = []
        self._ended = threading.Event()
        self._looks = 0
        self.peak = 0
        """Bytes, with children: shared pages count in each."""
        self._thread = threading.Thread(target=self._watch, name=f"resident {pid}", daemon=True)
        self._thread.start()

    def now(self) -> int:
        """Bytes; 0 when the process is gone."""
        return sum(_resident(process) for process in (self._process, *self._children))

    def stop(self) -> int:
        """The peak. What the kernel noted of the process itself counts too: no look can miss that."""
        self._ended.set()
        self._thread.join()
        self.peak = max(self.peak, self.now(), _high_water(self._process.pid))
        return self.peak

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL):
            if self._looks % _CHILDREN_EVERY == 0:
                try:
                    self._children = self._process.children(recursive=True)
                except psutil.NoSuchProcess:
                    return
            self._looks += 1
            self.peak = max(self.peak, self.now())


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _high_water(pid: int) -> int:
    """Linux's own peak of a process, in bytes; 0 where there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
