"""A pytest plugin: real PostgreSQL servers and databases for tests.

One embedded server, without fsync, serves all xdist workers of a run. The controller makes its folder and
stops it when the run ends, Ctrl-C included; what a killed run left is cleared by the next one (and its
server by the keeper, as soon as its last user is gone).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from etl_core.store import database, embedded
from tests.support.places import place

if TYPE_CHECKING:
    from tests.support.postgres15 import Postgres15

_PREFIX = f"etl-tests-{os.geteuid()}-"
_FOLDER = pytest.StashKey[Path]()
_ALIVE = pytest.StashKey[int]()
_TEMPLATE = "template_migrated"
_HAVE_TEMPLATE: set[str] = set()
"""URLs of servers."""
_FRESH = 60  # seconds; a run that begins makes its folder a moment before its lock


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", {}).get("etl_postgres_folder")
    if given:
        config.stash[_FOLDER] = Path(given)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Under xdist: tells a worker, before it starts, where the one server of this run is."""
    node.workerinput["etl_postgres_folder"] = str(run_folder(node.config))


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or _FOLDER not in config.stash:
        return
    folder = config.stash[_FOLDER]
    with contextlib.suppress(Exception):  # the extra may be missing
        embedded.stop(folder / "postgres")
    os.close(config.stash[_ALIVE])
    shutil.rmtree(folder, ignore_errors=True)


def run_folder(config: pytest.Config) -> Path:
    """The folder of this run, made on first use where root's server can get into it."""
    if _FOLDER not in config.stash:
        _clear_killed_runs()
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place()))
        folder.chmod(0o755)
        config.stash[_ALIVE] = _hold(folder)
        config.stash[_FOLDER] = folder
    return config.stash[_FOLDER]


def _hold(folder: Path) -> int:
    """Takes the lock that says that this run is alive.

    Raises:
        BlockingIOError: it is another's, and that one is.
    """
    alive = os.open(folder / "alive.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(alive)
        raise
    return alive


def _clear_killed_runs() -> None:
    for folder in Path(place()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # alive, or cleared by another run meanwhile
            if time.time() - folder.stat().st_mtime < _FRESH:
                continue
            alive = _hold(folder)
            with contextlib.suppress(Exception):
                embedded.stop(folder / "postgres")
            shutil.rmtree(folder, ignore_errors=True)
            os.close(alive)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[embedded.EmbeddedServer]:
    """The embedded server of this run (PostgreSQL 18)."""
    with embedded.start(run_folder(request.config) / "postgres", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres: embedded.EmbeddedServer) -> str:
    """The URL of the server's own database; asking for it anew starts a program."""
    return postgres.url("postgres")


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """The name of a migrated database that nobody connects to, so that it can be copied; made once a run."""
    return asyncio.run(migrated_template(postgres_url))


async def migrated_template(admin_url: str) -> str:
    """The name of such a database on this server, made by the first process that asks for it."""
    if admin_url in _HAVE_TEMPLATE:
        return _TEMPLATE
    admin = await database.connect(admin_url, application_name="tests")
    try:
        await admin.execute("SELECT pg_advisory_lock(1)")  # until the connection ends
        if not await admin.fetchval("SELECT TRUE FROM pg_database WHERE datname = $1", _TEMPLATE):
            await _make_template(admin, admin_url)
    finally:
        await admin.close()
    _HAVE_TEMPLATE.add(admin_url)
    return _TEMPLATE


async def _make_template(admin: database.Connection, admin_url: str) -> None:
    building = f"{_TEMPLATE}_{uuid.uuid4().hex[:8]}"
    await admin.execute(f'CREATE DATABASE "{building}"')
    connection = await database.connect(renamed(admin_url, building), application_name="tests")
    try:
        await _migrate(connection)
    finally:
        await connection.close()
    await admin.execute(f'ALTER DATABASE "{building}" ALLOW_CONNECTIONS false')
    await admin.execute(f'ALTER DATABASE "{building}" RENAME TO "{_TEMPLATE}"')


async def _migrate(connection: database.Connection) -> None:
    from etl_core.store.migrations import migrate

    await migrate(connection)


def renamed(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return url.replace("@/postgres?", f"@/{name}?")


@contextlib.asynccontextmanager
async def temporary_database(admin_url: str, *, template: str = "template0") -> AsyncIterator[str]:
    """The URL of a database of its own, gone afterwards, whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    admin = await database.connect(admin_url, application_name="tests")
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        try:
            yield renamed(admin_url, name)
        finally:
            # Asked for a second time when autovacuum or a parting backend was quicker than FORCE.
            with contextlib.suppress(asyncpg.ObjectInUseError):
                await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await admin.close()


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """An empty database without our schema."""
    async with temporary_database(postgres_url) as url:
        yield url


@pytest.fixture
def template(template_database: str) -> str:
    """What `database_url` is a copy of; a folder's tests may begin with more than the schema."""
    return template_database


@pytest.fixture
async def database_url(postgres_url: str, template: str) -> AsyncIterator[str]:
    """A fresh database with the newest schema."""
    async with temporary_database(postgres_url, template=template) as url:
        yield url


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[database.Connection]:
    """A connection to `database_url`."""
    connection = await database.connect(database_url, application_name="tests")
    try:
        yield connection
    finally:
        with contextlib.suppress(Exception):
            await connection.close(timeout=5)


@pytest.fixture(scope="session")
def postgres15(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres15]:
    """A private PostgreSQL 15, one a worker; skips where its programs are not installed."""
    from tests.support.postgres15 import start_postgres15

    with start_postgres15() as server:
        yield server


@pytest.fixture(params=["pg18", "pg15"])
def admin_url(request: pytest.FixtureRequest) -> str:
    """The own database of each server in turn, the newest and the oldest that is supported."""
    if request.param == "pg15":
        oldest: Postgres15 = request.getfixturevalue("postgres15")
        return oldest.url("postgres")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database15_url(postgres15: Postgres15) -> AsyncIterator[str]:
    """An empty database on PostgreSQL 15."""
    async with temporary_database(postgres15.url("postgres")) as url:
        yield url
