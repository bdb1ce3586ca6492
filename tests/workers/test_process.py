"""How a worker process begins."""

from __future__ import annotations

import os
import subprocess
import sys


def test_an_amqp_url_that_cannot_be_ends_it_at_once(database_url: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "workers"],
        env={**os.environ, "ETL_DATABASE_URL": database_url, "ETL_AMQP_URL": "garbage"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("etl-worker: the AMQP URL must look like amqp://")
    assert ended.stderr.count("\n") == 1
