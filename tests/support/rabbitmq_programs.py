"""Finds the programs of a RabbitMQ on this machine, or fetches them without root and without installing.

Order: an installed `rabbitmq-server` (Debian's folder, Homebrew, PATH); else Debian's own packages, unpacked
once into a cache folder that all test processes share.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

WAY_OUT = "set ETL_TEST_AMQP_URL to a RabbitMQ made for tests, or install rabbitmq-server"
CHECKOUT = Path(__file__).parents[2]
UNPACKED = "unpacked"


class NoRabbitMQError(Exception):
    """One line: why there is no RabbitMQ for tests here, and what to do."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no RabbitMQ for tests: {why}; {WAY_OUT}")


@dataclass(frozen=True)
class Programs:
    """Where the server script is, and the folder that holds `erl` and `epmd`."""

    server: Path
    erlang_bin: Path


def find_programs() -> Programs:
    """The programs to run a private RabbitMQ.

    Raises:
        NoRabbitMQError: nothing is installed and nothing can be fetched.
    """
    return installed() or fetched(_cache_folder())


def installed() -> Programs | None:
    """Those of this machine, if any.

    Debian's wrapper on PATH runs for root and its own user only, so the script behind it goes first.
    """
    scripts = sorted(
        Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"), reverse=True
    )
    scripts += [Path(p) for p in ("/opt/homebrew/sbin/rabbitmq-server", "/usr/local/sbin/rabbitmq-server")]
    if found := shutil.which("rabbitmq-server"):
        scripts.append(Path(found))
    erlang = shutil.which("epmd", path=f"{os.environ.get('PATH', '')}:/usr/lib/erlang/bin:/opt/homebrew/bin")
    for script in scripts:
        if script.is_file() and erlang is not None:
            return Programs(script, Path(erlang).parent)
    return None


def fetched(cache: Path) -> Programs:
    """Debian's packages, downloaded and unpacked below `cache`; parallel callers wait for the first one.

    Raises:
        NoRabbitMQError: no apt here, or it cannot download.
    """
    with _locked(cache):
        root = cache / UNPACKED
        marker = cache / "ready"
        # Erlang's scripts carry absolute paths: a moved or copied checkout unpacks again.
        if not (marker.is_file() and marker.read_text() == str(root)):
            marker.unlink(missing_ok=True)
            _unpack(_download(cache), root)
            marker.write_text(str(root))
    [server] = root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
    return Programs(server, root / "usr/lib/erlang/bin")


def _cache_folder() -> Path:
    for folder in (CHECKOUT / ".cache" / "rabbitmq", platformdirs.user_cache_path("etl-tui") / "rabbitmq"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        # Owned, not only writable: root must not leave files that the user's next run cannot replace.
        if folder.stat().st_uid == os.geteuid() and os.access(folder, os.W_OK):
            return folder
    raise NoRabbitMQError(f"neither {CHECKOUT} nor the user's cache folder can be written")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(cache: Path) -> list[Path]:
    """The `.deb` files of RabbitMQ and of the Erlang it needs; apt checks their signatures."""
    if not all(shutil.which(program) for program in ("apt-get", "apt-cache", "dpkg")):
        raise NoRabbitMQError("this machine has no apt to fetch one with")
    debs = cache / "debs"
    debs.mkdir(exist_ok=True)
    for stale in debs.glob("*.deb"):
        stale.unlink()
    options: list[str] = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    names = _needed_packages(options)
    if not names:  # the system has no package lists: fetch them into folders of our own
        state = cache / "apt"
        (state / "state" / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        options += ["-o", f"Dir::State={state / 'state'}", "-o", f"Dir::Cache={state / 'cache'}"]
        options += ["-o", "Dir::State::status=/var/lib/dpkg/status"]
        _run(["apt-get", *options, "-qq", "update"], debs)
        names = _needed_packages(options)
    if not names:
        raise NoRabbitMQError("apt knows no rabbitmq-server")
    _run(["apt-get", *options, "-qq", "download", *names], debs)
    return sorted(debs.glob("*.deb"))


def _needed_packages(options: list[str]) -> list[str]:
    """RabbitMQ and all of Erlang below it; what else it depends on is for services or in every system."""
    relations = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    told = subprocess.run(
        ["apt-cache", *options, "depends", "--recurse", *(f"--no-{r}" for r in relations), "rabbitmq-server"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = {line for line in told.stdout.splitlines() if line and not line[0].isspace()}
    return sorted(
        name for name in lines if name == "rabbitmq-server" or name.startswith(("erlang-", "libsctp1"))
    )


def _unpack(debs: list[Path], root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for deb in debs:
        _run(["dpkg", "-x", str(deb), str(root)], root)
    erlang = root / "usr/lib/erlang"
    for folder in (erlang / "bin", *erlang.glob("erts-*/bin")):
        for script in folder.iterdir():
            if script.is_file() and not script.is_symlink() and script.read_bytes().startswith(b"#!"):
                script.write_text(script.read_text().replace("/usr/lib/erlang", str(erlang)))


def _run(command: list[str], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = (ran.stderr or ran.stdout).strip().splitlines() or ["no message"]
        raise NoRabbitMQError(f"{' '.join(command[:1])} failed: {said[-1]}")
