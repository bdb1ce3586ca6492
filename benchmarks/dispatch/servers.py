"""A private RabbitMQ and a private, durable PostgreSQL, and processes that end with the benchmark."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl_core.store import embedded
from etl_core.store.database import Connection, connect
from etl_core.store.migrations import migrate
from tests.support.rabbitmq import RabbitMQ

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Servers:
    """Where both are, and a folder for what processes say."""

    folder: Path
    postgres: embedded.EmbeddedServer
    amqp_url: str

    @asynccontextmanager
    async def connection(self, database: str) -> AsyncIterator[Connection]:
        """A connection to one of our databases."""
        conn = await connect(self.postgres.url(database), application_name="benchmark")
        try:
            yield conn
        finally:
            await conn.close()

    async def make_database(self, name: str, *, migrated: bool) -> None:
        """A database of that name; with our schema, if asked for."""
        async with self.connection("postgres") as admin:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await admin.execute(f'CREATE DATABASE "{name}"')
        if migrated:
            async with self.connection(name) as conn:
                await migrate(conn)

    def environment(self, database: str, *, amqp: bool) -> dict[str, str]:
        """What our processes are told; default settings but for where the servers are."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
        told = {"ETL_DATABASE_URL": self.postgres.url(database), "ETL_LOG_LEVEL": "warning"}
        return inherited | told | ({"ETL_AMQP_URL": self.amqp_url} if amqp else {})


@contextmanager
def private_servers() -> Iterator[Servers]:
    """Both servers in a folder right under /tmp (as root, PostgreSQL's own user must get into it)."""
    folder = Path(tempfile.mkdtemp(prefix="etl-bench-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "rabbitmq").mkdir()
    rabbit = RabbitMQ(folder / "rabbitmq")
    try:
        rabbit.start()
        with embedded.start(folder / "postgres", durable=True) as postgres:
            yield Servers(folder, postgres, rabbit.url)
    finally:
        rabbit.close()
        embedded.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


class Processes:
    """Started programs; all are gone at the end."""

    def __init__(self, servers: Servers, name: str) -> None:
        self._servers = servers
        self._name = name
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, arguments: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Runs `python ARGUMENTS` in the checkout."""
        with (self._servers.folder / f"{self._name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env=environment,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def alive(self) -> None:
        """Raises RuntimeError, with the end of the log, when one has ended."""
        if any(process.poll() is not None for process in self.started):
            log = (self._servers.folder / f"{self._name}.log").read_text(errors="replace")
            raise RuntimeError(f"{self._name}: a process has ended:\n{log[-3000:]}")

    def end(self) -> None:
        """Asks for a clean end; what takes longer than 10 s is killed, children included."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def processes(servers: Servers, name: str) -> Iterator[Processes]:
    """Programs that end with the context."""
    started = Processes(servers, name)
    try:
        yield started
    finally:
        started.end()


@contextmanager
def ours(
    servers: Servers, database: str, *, amqp: bool, workers: int, slots: int, schedulers: int = 1
) -> Iterator[Processes]:
    """Schedulers and workers with default settings."""
    environment = servers.environment(database, amqp=amqp)
    with processes(servers, "ours-amqp" if amqp else "ours-postgres") as started:
        for _ in range(schedulers):
            started.start(["-m", "scheduler"], environment)
        for _ in range(workers):
            started.start(["-m", "workers", "--concurrency", str(slots)], environment)
        yield started


async def until_alive(conn: Connection, *, workers: int, schedulers: int = 1) -> None:
    """Waits until so many say that they are."""
    give_up = time.monotonic() + 60
    alive = (
        "SELECT (SELECT count(*) FROM workers WHERE stopped_at IS NULL AND lost_at IS NULL) >= $1"
        " AND (SELECT count(*) FROM schedulers WHERE stopped_at IS NULL"
        " AND heartbeat_at > now() - interval '5 s') >= $2"
    )
    while not await conn.fetchval(alive, workers, schedulers):
        if time.monotonic() > give_up:
            raise RuntimeError("scheduler or workers did not start within 60 s")
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)  # both are subscribed by then
