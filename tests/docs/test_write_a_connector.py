"""The commands of docs/write-a-connector.md, run as they stand there, so that the page cannot rot."""

from __future__ import annotations

import ensurepip
import os
import re
import signal
import subprocess
import sysconfig
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from etl_core.store.database import Connection

PAGE = Path(__file__).parents[2] / "docs" / "write-a-connector.md"
PROGRAMS = {
    "etl-tui": "etl_tui.cli.main:main",
    "etl-scheduler": "scheduler.__main__:main",
    "etl-worker": "workers.__main__:main",
    "pytest": "pytest:console_main",
    "pip": "pip._internal.cli.main:main",
}


def commands() -> str:
    """Every fenced block of the page that is marked `sh`."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The programs of an environment of its own, in which everything of this one is found, too."""
    folder = tmp_path / "environment"
    needs_pip = find_spec("pip") is None
    bundled = list((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    venv.create(folder, with_pip=needs_pip and not bundled)  # which takes seconds
    ours = sysconfig.get_path("purelib")
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "beside.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    if needs_pip and bundled:
        with zipfile.ZipFile(bundled[0]) as wheel:
            wheel.extractall(packages)
    python = folder / "bin" / "python"
    for name, entry in PROGRAMS.items():
        if name == "pip" and needs_pip and not bundled:
            continue
        module, function = entry.split(":")
        script = folder / "bin" / name
        script.write_text(
            f"#!{python}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        )
        script.chmod(0o755)
    return folder / "bin"


@pytest.mark.timeout(300)
async def test_its_steps_lead_to_a_job_that_loads_data(
    programs: Path, tmp_path: Path, database_url: str, db: Connection
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
    environment |= {
        "PATH": f"{programs}:{environment['PATH']}",
        "ETL_DATABASE_URL": database_url,
        "HOME": str(tmp_path),
        # Nothing is fetched: what the package needs is there.
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    script = "set -e\n" + commands() + "\nwait || true\n"
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = process.communicate(timeout=280)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, told
    assert "acme-crm" in told
    rows: Any = await db.fetchrow(
        "SELECT count(*) AS rows, count(*) FILTER (WHERE title LIKE 'touched%') AS changed"
        " FROM acme_crm.items"
    )
    assert (rows["rows"], rows["changed"]) == (205, 3), told
    assert await db.fetchval("SELECT count(*) FROM rejected_records") == 1, told
    assert re.search(r"price 'n/a' is no number", told)
