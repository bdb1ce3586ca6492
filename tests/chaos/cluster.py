"""The installation under attack: PostgreSQL and RabbitMQ, each behind a relay; schedulers and workers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from etl_core.store import embedded
from etl_core.store.database import connect
from etl_core.store.migrations import migrate
from tests.support.forked import Forked, nursery
from tests.support.rabbitmq import RabbitMQ
from tests.support.relay import Relay

LEASE_TIMEOUT = 2.0
"""Seconds; the default is 10."""
SETTINGS = {
    "ETL_CLAIM_INTERVAL": "1",
    "ETL_HEARTBEAT_INTERVAL": "0.4",
    "ETL_LEASE_TIMEOUT": str(LEASE_TIMEOUT),
    "ETL_FINISHED_REST": "2",
    "ETL_STOP_TIMEOUT": "3",
    "ETL_LOG_LEVEL": "info",
}
OURS = ("ETL_DATABASE_URL", "ETL_AMQP_URL", "ETL_CONFIG", "ETL_TENANT")


class Program:
    """One scheduler or worker: a slot in which processes come and go, forked (`tests.support.nursery`)."""

    def __init__(
        self, module: str, number: int, environment: dict[str, str], folder: Path, *extra: str
    ) -> None:
        self.name = f"{module} {number}"
        self._module = module
        self._arguments = ["--with-parent", *extra]
        self._environment = environment
        self._log = folder / f"{module}-{number}.log"
        self._process: Forked | None = None

    def start(self) -> None:
        """A new process, unless one runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = nursery().start(self._module, self._arguments, self._environment, self._log)

    def send(self, number: int) -> None:
        """A signal, if a process runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    @property
    def returncode(self) -> int | None:
        """Set once it has ended by itself or by a signal."""
        return self._process.poll() if self._process else None

    def end(self) -> int:
        """Asks for a clean end and waits; its exit code."""
        if self._process is None:
            return 0
        self.send(signal.SIGCONT)
        self._process.close_stdin()
        try:
            return self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return -signal.SIGKILL

    def log_tail(self, lines: int = 30) -> str:
        """The end of what it said."""
        return (
            "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
            if self._log.is_file()
            else ""
        )


WORKERS = ("extract,transform,load", "extract,transform,load", "extract", "transform", "load")
"""Two that carry batches on, and one for each stage: what the one stores the other takes up."""


class Cluster:
    """Everything, in a folder of its own. `url` leads to the database directly, past the relay."""

    def __init__(self, folder: Path, *, amqp: bool, schedulers: int = 2) -> None:
        self._folder = folder
        self._server = embedded.start(folder / "postgres", durable=False)
        self.url = self._server.url("chaos")
        parts = urlsplit(self.url)
        self.database = Relay(parse_qs(parts.query)["host"][0], 5432)
        self.database.open()
        environment = {name: value for name, value in os.environ.items() if name not in OURS} | SETTINGS
        environment["ETL_DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{self.database.port}/chaos"
        self.rabbit: RabbitMQ | None = None
        self.broker: Relay | None = None
        if amqp:
            (folder / "rabbitmq").mkdir()
            self.rabbit = RabbitMQ(folder / "rabbitmq")
            self.rabbit.start()
            self.broker = Relay("127.0.0.1", urlsplit(self.rabbit.url).port or 5672)
            self.broker.open()
            environment["ETL_AMQP_URL"] = f"amqp://guest:guest@127.0.0.1:{self.broker.port}/"
        self.schedulers = [Program("scheduler", n, environment, folder) for n in range(schedulers)]
        self.workers = [
            Program("workers", n, environment, folder, "--concurrency", "3", "--stages", stages)
            for n, stages in enumerate(WORKERS)
        ]

    @property
    def programs(self) -> list[Program]:
        return self.schedulers + self.workers

    async def prepare(self) -> None:
        """The schema; then every program is started."""
        conn = await connect(self.url, application_name="chaos")
        try:
            await migrate(conn)
        finally:
            await conn.close()

    def start(self) -> None:
        """Starts whatever does not run."""
        for program in self.programs:
            program.start()

    async def restart_postgres(self, *, crash: bool) -> None:
        """Down and up again, on the same socket; a crash is kill -9 of the whole server."""
        await asyncio.to_thread(self._restart_postgres, crash)

    def _restart_postgres(self, crash: bool) -> None:
        data = self._folder / "postgres" / "data"
        if crash:
            pid = int((data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
        else:
            embedded.stop(self._folder / "postgres")
        self._server.close()
        self._server = embedded.start(self._folder / "postgres", durable=False)

    async def restart_rabbit(self, *, wipe: bool) -> None:
        """kill -9 and up again; wiped, its queues and what was in them are gone."""
        rabbit = self.rabbit
        assert rabbit is not None
        await asyncio.to_thread(rabbit.kill)
        if wipe:
            shutil.rmtree(self._folder / "rabbitmq" / "mnesia", ignore_errors=True)
        await asyncio.to_thread(rabbit.start)

    def close(self) -> None:
        """Ends everything; what was made stays in the folder."""
        for program in self.programs:
            program.send(signal.SIGCONT)
        for program in self.programs:
            program.end()
        for relay in (self.database, self.broker):
            if relay:
                relay.close()
        if self.rabbit:
            self.rabbit.close()
        self._server.close()
