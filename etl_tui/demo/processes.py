"""The demo's scheduler and worker: the real programs, which end with us however we end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_TIMEOUT = 12.0
"""Seconds that a process gets for a clean end."""


class DemoProcess:
    """One of our programs. It watches a pipe from us and stops at its end: even our kill -9 leaves none."""

    def __init__(self, module: str, environment: dict[str, str], logs: Path) -> None:
        self.name = module
        self.log = logs / f"{module}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "--with-parent"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for us; we tell them
            )

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        return self._process.poll()

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def ask_to_stop(self) -> None:
        """Ends the pipe that it watches."""
        if self._process.stdin:
            self._process.stdin.close()

    def wait(self) -> None:
        """Until it has ended; past STOP_TIMEOUT it is killed."""
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def scheduler_and_worker(database_url: str, logs: Path) -> Iterator[list[DemoProcess]]:
    """Runs `python -m scheduler` and `python -m workers` on a database, their lines in files below `logs`."""
    ours = {"ETL_CONFIG", "ETL_TENANT", "ETL_AMQP_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    # A run that has to wait for a rate limit is parked at once, and taken up soon: it is there to be seen.
    environment |= {"ETL_DATABASE_URL": database_url, "ETL_LIMIT_PATIENCE": "1", "ETL_CLAIM_INTERVAL": "1"}
    started: list[DemoProcess] = []
    try:
        started.append(DemoProcess("scheduler", environment, logs))
        started.append(DemoProcess("workers", environment, logs))
        yield started
    finally:
        for process in started:
            process.ask_to_stop()
        for process in started:
            process.wait()
