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
    """Makes a cluster, runs it, removes it."""
    with place_of_postgres15() as programs, programs.serving(programs.make()):
        yield Postgres15(programs.folder)


class Programs(NamedTuple):
    """Of the server, run in `folder` by whoever `run` names. Clusters have their sockets there, too."""

    bin: Path
    folder: Path
    run: dict[str, Any]

    def call(self, program: str, *arguments: str | Path) -> None:
        subprocess.run([self.bin / program, *arguments], check=True, capture_output=True, **self.run)

    def make(self, name: str = "data") -> Path:
        """A new cluster, in which everybody is trusted."""
        data = self.folder / name
        self.call("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")
        return data

    @contextlib.contextmanager
    def serving(self, data: Path, *more: str, port: int = 5432) -> Iterator[None]:
        """Runs the cluster, with these options beside the usual ones."""
        options = [part for option in (*_OPTIONS, *more) for part in ("-c", option)]
        log = self.folder / f"{data.name}.log"
        with log.open("wb") as told:
            server = subprocess.Popen(
                [self.bin / "postgres", "-D", data, "-k", self.folder, "-p", str(port), *options],
                stdout=told,
                stderr=told,
                start_new_session=True,
                **self.run,
            )
        try:
            _wait_until_ready(server, data, log)
            yield
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=30)


@contextlib.contextmanager
def place_of_postgres15() -> Iterator[Programs]:
    """A folder for clusters, which goes at the end. As root they run as `nobody`: initdb refuses root."""
    found = next((Path(place) for place in _PLACES if (Path(place) / "initdb").exists()), None)
    if found is None:
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
    try:
        yield Programs(found, folder, run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(server: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    deadline = time.monotonic() + 60
    pid_file = data / "postmaster.pid"
    while not (pid_file.exists() and pid_file.read_text().rstrip().endswith("ready")):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL 15 did not start: {log.read_text()}")
        time.sleep(0.05)
