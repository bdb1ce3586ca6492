"""docs/rest-manifest.md: its commands are run as they stand there, its examples are read."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from etl_core.store.database import Connection
from tests.support.ports import free_ports
from workers.connectors.rest.manifest import read_manifest
from workers.connectors.rest.manifest.auth import Auth
from workers.connectors.rest.manifest.model import Manifest
from workers.connectors.rest.manifest.paging import Pagination
from workers.connectors.rest.manifest.stream import StreamSpec

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "rest-manifest.md").read_text(encoding="utf-8")
BASE = """\
version: 1
title: Example
variables:
  user: {description: whose}
  since: {description: where to begin, optional: true}
secrets: {token: {description: a token}}
base_url: https://example.com
"""
PROJECTS = "  projects: {path: /projects, key: [id]}\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.splitlines()[0][:40])
def test_its_examples_are_read(block: str) -> None:
    if block.startswith("# of a stream"):
        path = "" if "\npath:" in block else "path: /x\n"
        stream = "".join(f"    {line}\n" for line in (path + block).splitlines())
        read_manifest(f"{BASE}streams:\n  example:\n{stream}{PROJECTS}", "example.yaml")
    else:
        read_manifest(f"{BASE}{block}streams:\n{PROJECTS}", "example.yaml")


def test_its_tables_name_every_field() -> None:
    models: list[Any] = [Manifest, StreamSpec]
    for union in (Auth, Pagination):
        models += get_args(get_args(union)[0])
    for model in models:
        for name in model.model_fields:
            assert re.search(rf"`{name}`|\b{name}: ", TEXT), f"{model.__name__}.{name}"


@pytest.mark.timeout(300)
async def test_its_steps_lead_to_a_job_that_loads_data(
    tmp_path: Path, database_url: str, db: Connection
) -> None:
    script = "set -e\n" + "\n".join(blocks("sh")).replace("8377", str(free_ports(1)[0])) + "\nwait || true\n"
    # The next command reads what this one serves.
    script = script.replace(
        "export SHOP_TOKEN", "until grep -q serving shop.log; do sleep 0.1; done\nexport SHOP_TOKEN"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "ETL_DATABASE_URL": database_url,
        "HOME": str(tmp_path),
    }
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = process.communicate(timeout=200)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, told
    assert "page 1: 100 orders" in told
    assert "goes on at" in told
    rows: Any = await db.fetchrow(
        "SELECT (SELECT count(*) FROM acme_shop.orders) AS orders,"
        " (SELECT count(*) FROM acme_shop.customers WHERE city = 'Bonn') AS customers"
    )
    assert (rows["orders"], rows["customers"]) == (450, 10), told
    states = await db.fetch("SELECT state FROM job_runs ORDER BY id")
    assert [row["state"] for row in states] == ["SUCCEEDED", "SUCCEEDED"], told
