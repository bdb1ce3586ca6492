"""Runs commands as a person would: real arguments, a real database, what they print and how they end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from etl_core import connectors_registry
from etl_core.store import database
from etl_tui.cli.main import run
from tests.support.postgres import renamed


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    def refused(self, code: int, *words: str) -> None:
        """Asserts a failure as every bad input must end: this code, one line on stderr with these words."""
        assert self.code == code, self
        assert self.out == ""
        assert self.err.startswith("etl-tui")
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        assert "Traceback" not in self.err
        assert not [word for word in words if word not in self.err], self.err


Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person without settings of their own."""
    for name in [name for name in os.environ if name.startswith("ETL_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def unconfigured_log() -> None:
    """As a new process has it: `capture_logs` of an earlier test leaves a configuration behind."""
    structlog.reset_defaults()


@pytest.fixture
def cli(
    database_url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs a command in this process, on a migrated database."""
    monkeypatch.setenv("ETL_DATABASE_URL", database_url)
    return _runner(capfd)


@pytest.fixture
def cli_anywhere(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs a command in this process; the test says where the database is."""
    return _runner(capfd)


def _runner(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    def run_command(*arguments: str) -> Result:
        capfd.readouterr()
        code = run(arguments)
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return run_command


@pytest.fixture
def program(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.Popen[str]]:
    """Starts the real program as a process of its own."""
    monkeypatch.setenv("ETL_DATABASE_URL", database_url)

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "etl_tui", *arguments],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
        )

    return start


_ACME = (
    ("tenants", "add", "acme"),
    ("integrations", "add", "acme", "made-up", "--type", "synthetic", "--config", "{}"),
    ("jobs", "add", "acme/orders", "--integration", "made-up"),
)


@pytest.fixture
def acme(cli: Cli) -> Cli:
    """The tenant acme with an integration `made-up` and a job `acme/orders` on it."""
    return cli


@pytest.fixture
def template(request: pytest.FixtureRequest, template_database: str) -> str:
    """With what `acme` promises, where a test asks for it."""
    found: str = (
        request.getfixturevalue("acme_template") if "acme" in request.fixturenames else template_database
    )
    return found


@pytest.fixture(scope="session")
def acme_template(postgres_url: str, template_database: str) -> str:
    """The name of a database in which the commands of `_ACME` were run; nobody connects to it."""
    name = f"template_acme_{uuid.uuid4().hex}"
    asyncio.run(execute(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETL_DATABASE_URL", renamed(postgres_url, name))
        assert [run(command) for command in _ACME] == [0, 0, 0]
    asyncio.run(execute(postgres_url, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
    return name


async def execute(url: str, statement: str) -> None:
    """A statement on a connection of its own."""
    conn = await database.connect(url, application_name="tests")
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


Sql = Callable[..., Any]


@pytest.fixture
def sql(database_url: str) -> Sql:
    """Runs one statement on the test's database, for what no command does; returns its first value."""

    def fetch_value(statement: str, *arguments: object) -> Any:
        async def fetch() -> Any:
            conn = await database.connect(database_url, application_name="tests")
            try:
                return await conn.fetchval(statement, *arguments)
            finally:
                await conn.close()

        return asyncio.run(fetch())

    return fetch_value


Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs `acme-NAME` 2.5, whose entry point is the connector type NAME; modules are in `tmp_path`."""

    def add(name: str, target: str) -> None:
        info = tmp_path / f"acme_{name}-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: acme-{name}\nVersion: 2.5\n")
        (info / "entry_points.txt").write_text(f"[{connectors_registry.GROUP}]\n{name} = {target}\n")

    def forget() -> None:
        connectors_registry.connector_types.cache_clear()
        connectors_registry.find_connector.cache_clear()

    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield add
    forget()
