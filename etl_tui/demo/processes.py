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


@contextmanager
def scheduler_and_worker(database_url: str, logs: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Runs `python -m scheduler` and `python -m workers` on a database, their lines in files below `logs`.

    Each watches a pipe from us and stops at its end, so that even our kill -9 leaves none behind.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("ETL_CONFIG", "ETL_TENANT", "ETL_AMQP_URL")
    } | {"ETL_DATABASE_URL": database_url}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for module in ("scheduler", "workers"):
            with (logs / f"{module}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", module, "--with-parent"],
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=log,
                        env=environment,
                        start_new_session=True,  # Ctrl-C is for us; we tell them
                    )
                )
        yield started
    finally:
        for process in started:
            if process.stdin:
                process.stdin.close()
        for process in started:
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
