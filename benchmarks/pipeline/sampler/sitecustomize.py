"""Samples where a process's threads are: put this folder on PYTHONPATH, set BENCH_SAMPLES to a folder.

Python imports a module of this name by itself. At the end of the process a file of its pid is written there:
a line of JSON for every stack that was seen, [seconds, thread, [function and line, ...]], the innermost
function last. Threads that wait are not counted; those that wait for the interpreter are, so what is
counted of a second is shared out among the threads that want to run in it.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL = 0.004
SWITCH = 0.0001
"""Seconds until a thread lets the interpreter go: with the default of 5 ms the sampler would see threads
mostly where they let it go by themselves, in reads."""
_WAITING = frozenset({"select", "poll", "wait", "acquire", "get", "_worker", "_wait_for_tstate_lock"})
_DEEPEST = 40


class Sampler(threading.Thread):
    """Looks every INTERVAL seconds until the process ends."""

    def __init__(self) -> None:
        super().__init__(name="sampler", daemon=True)
        self.seen: Counter[tuple[str, tuple[str, ...]]] = Counter()

    def run(self) -> None:
        last = time.perf_counter()
        while True:
            time.sleep(INTERVAL)
            now = time.perf_counter()
            busy = [
                (ident, frame)
                for ident, frame in sys._current_frames().items()
                if ident != self.ident and frame.f_code.co_name not in _WAITING
            ]
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in busy:
                # Microseconds: a Counter counts whole ones.
                share = round(1e6 * (now - last) / len(busy))
                self.seen[names.get(ident, "?"), _stack(frame)] += share
            last = now

    def write(self) -> None:
        """What was seen, the most frequent first."""
        folder = Path(os.environ["BENCH_SAMPLES"])
        with (folder / f"{os.getpid()}.jsonl").open("w") as file:
            for (thread, stack), microseconds in self.seen.most_common():
                file.write(json.dumps([microseconds / 1e6, thread, stack]) + "\n")


def _stack(frame: FrameType | None) -> tuple[str, ...]:
    functions: list[str] = []
    while frame is not None and len(functions) < _DEEPEST:
        module = frame.f_globals.get("__name__", "?")
        functions.append(f"{module}:{frame.f_code.co_qualname}:{frame.f_lineno}")
        frame = frame.f_back
    return tuple(reversed(functions))


if "BENCH_SAMPLES" in os.environ:
    sys.setswitchinterval(SWITCH)
    _sampler = Sampler()
    atexit.register(_sampler.write)
    _sampler.start()
