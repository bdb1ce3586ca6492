"""The fixtures of the databases, and the rule that no test is skipped without an allowed reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from etl_core.store import database

ROOT = Path(__file__).parents[2]


async def test_a_copy_of_the_migrated_database_is_ours_alone(
    db: database.Connection, database_url: str
) -> None:
    await db.execute("CREATE TABLE mine (id int)")
    again = await database.connect(database_url, application_name="tests")
    assert await again.fetchval("SELECT count(*) FROM mine") == 0
    assert await again.fetchval("SELECT count(*) FROM etl_jobs") == 0
    await again.close()


async def test_and_so_the_next_test_does_not_see_it(db: database.Connection) -> None:
    assert await db.fetchval("SELECT to_regclass('mine')::text") is None


async def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    connection = await database.connect(empty_database_url, application_name="tests")
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert await connection.fetchval(tables) == 0
    await connection.close()


async def test_postgres_15(database15_url: str) -> None:
    connection = await database.connect(database15_url, application_name="tests")
    assert connection.get_server_version().major == 15
    assert await connection.fetchval("SELECT $1::jsonb", {"a": 2**70}) == {"a": 2**70}
    await connection.close()


ALLOWED = """
import pytest
def test_passes(): pass
def test_allowed(): pytest.skip('PostgreSQL 15 programs are not installed')
@pytest.mark.xfail
def test_known_to_fail(): assert False
"""
FORBIDDEN = {
    "test_call.py": "import pytest\ndef test_it(): pytest.skip('no time')",
    "test_mark.py": "import pytest\n@pytest.mark.skip\ndef test_it(): pass",
    "test_module.py": "import pytest\npytest.skip('not here', allow_module_level=True)",
    "test_import.py": "import pytest\npytest.importorskip('no_such_module')\ndef test_it(): pass",
}


@pytest.mark.parametrize(
    ("files", "workers"),
    [({}, "2"), (FORBIDDEN, "2"), (FORBIDDEN, "0")],
    ids=["allowed", "forbidden, two workers", "forbidden, one process"],
)
def test_a_skip_without_an_allowed_reason_fails_the_run(
    tmp_path: Path, files: dict[str, str], workers: str
) -> None:
    for name, text in {"test_allowed.py": ALLOWED, **files}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    plugins = ["-p", "xdist", "-p", "tests.support.forbid_skips"]
    command = [sys.executable, "-m", "pytest", *plugins, "--forbid-skips"]
    ran = subprocess.run(
        [*command, "-n", workers, "--rootdir", tmp_path, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # those of the project take seconds
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == (1 if files else 0), ran.stdout
    _, _, told = ran.stdout.partition("skipped without an allowed reason")
    assert all(name in told for name in files), ran.stdout
    assert "test_allowed.py" not in told
