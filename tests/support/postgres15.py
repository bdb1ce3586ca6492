"""A private PostgreSQL 15, the oldest that is supported, from the programs of the operating system."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.places import place
from tests.support.skips import POSTGRES15_MISSING

_PLACES = ("/usr/lib/postgresql/15/bin", "/usr/pgsql-15/bin", "/opt/homebrew/opt/postgresql@15/bin")
_OPTIONS = ("fsync=off", "full_page_writes=off", "listen_addresses=", "timezone=UTC", "log_checkpoints=off")


class Postgres15(NamedTuple):
    """A running server; its superuser is `postgres`, without a password."""

    sockets: Path

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.sockets}&port=5432"


@contextlib.contextmanager
def start_postgres15() -> Iterator[Postgres15]:
    """Makes a cluster, runs it, removes it. As root it runs as `nobody`: initdb refuses root."""
    programs = next((Path(place) for place in _PLACES if (Path(place) / "initdb").exists()), None)
    if programs is None:
        pytest.skip(POSTGRES15_MISSING)
    folder = Path(tempfile.mkdtemp(prefix="etl-pg15-", dir=place()))
    run: dict[str, Any] = {
        "cwd": folder,
        "stdin": subprocess.DEVNULL,
        "env": {"LC_ALL": "C", "PATH": os.environ["PATH"]},
    }
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        run |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data = folder / "data"
    server: subprocess.Popen[bytes] | None = None
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"],
            check=True,
            capture_output=True,
            **run,
        )
        options = [part for option in _OPTIONS for part in ("-c", option)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", folder, "-p", "5432", *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **run,
            )
        _wait_until_ready(server, data, folder / "log")
        yield Postgres15(folder)
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(server: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    deadline = time.monotonic() + 60
    pid_file = data / "postmaster.pid"
    while not (pid_file.exists() and pid_file.read_text().rstrip().endswith("ready")):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL 15 did not start: {log.read_text()}")
        time.sleep(0.05)
