"""Taps of PyPI and one on singer-sdk, as they are: installed by our own command, run by our connector."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from etl_core.connectors_registry import installed_connectors
from etl_core.errors import Transient
from etl_core.testing.destination import Destination
from tests.support.jobs import make_job
from tests.workers.connectors.singer.taps import ROOT, carry_out, kept_tap, use_kept_taps
from tests.workers.running import Hand
from workers.connectors.singer import SingerConnector
from workers.connectors.singer.config import SingerConfig

JSONFILE = ("tap-jsonfile", "0.1.2")
SPREADSHEETS = ("tap-spreadsheets", "1.1.2")


@pytest.fixture(autouse=True)
def kept_taps(monkeypatch: pytest.MonkeyPatch) -> None:
    use_kept_taps(monkeypatch)


@pytest.mark.timeout(900)
async def test_tap_jsonfile(worker: Hand, tmp_path: Path) -> None:
    """Without a key; what `connectors list` and `integrations test` tell of it."""
    await kept_tap(*JSONFILE)
    [row] = [row for row in installed_connectors() if row.tap == "tap-jsonfile"]
    assert (row.type, row.version, row.licence) == ("singer", "0.1.2", "Apache-2.0")

    items = [{"id": n, "nested": {"of": n}} for n in range(3)]
    (tmp_path / "items.json").write_text(json.dumps(items))
    settings = {"paths": [str(tmp_path / "*.json")], "stream_name": "items"}
    config: dict[str, Any] = {"tap": "tap-jsonfile", "config": settings}
    tap, items_found = await SingerConnector(SingerConfig.model_validate(config)).check()
    assert (tap.what, tap.detail) == ("tap-jsonfile", "0.1.2, licence Apache-2.0")
    assert (items_found.what, items_found.detail) == ("items", "key none (append only); as a whole")

    job = await make_job(worker.db, kind="singer", config=config)
    run = await worker.run(job)
    assert (run["state"], run["counters"]["rows_new"]) == ("SUCCEEDED", 3)
    assert await worker.db.fetchval("SELECT nested ->> 'of' FROM acme_made_up.items WHERE id = 2") == "2"


@pytest.mark.timeout(900)
async def test_tap_spreadsheets(tmp_path: Path) -> None:
    """With a key: what it sends again changes nothing, what changed in a file is found."""
    await kept_tap(*SPREADSHEETS)
    file = tmp_path / "rows.csv"

    def write(amount: int) -> None:
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows([["id", "amount"], *([n, amount] for n in range(5))])

    write(1)
    settings = {"files": [{"path": str(file), "format": "csv", "primary_keys": ["id"], "table_name": "rows"}]}
    config = {"tap": "tap-spreadsheets", "config": settings, "select": ["rows.amount"]}
    made = await carry_out(config)
    assert {key: row["amount"] for key, row in made.rows["rows"].items()} == {
        (str(n),): "1" for n in range(5)
    }
    assert "_sdc_filename" not in made.rows["rows"]["0",], "it is not selected"
    write(2)
    stat = file.stat()
    later = (stat.st_atime, stat.st_mtime + 60)
    os.utime(file, later)
    await carry_out(config, made)
    assert {row["amount"] for row in made.rows["rows"].values()} == {"2"}


@pytest.mark.timeout(900)
async def test_a_tap_of_the_sdk_that_was_ended_is_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM ends it with exit code 0. Its STATE tells, and it begins again from where that stands."""
    python = (await kept_tap(*JSONFILE)).program.with_name("python")
    program = tmp_path / "tap-numbers"
    script = ROOT / "tests" / "simulators" / "singer" / "sdk_tap.py"
    program.write_text(f'#!/bin/sh\nexec "{python}" "{script}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("ETL_ALLOW_COMMANDS", str(program))
    catalog = {
        "streams": [
            {
                "tap_stream_id": "numbers",
                "stream": "numbers",
                "key_properties": ["n"],
                "replication_key": "at",
                "replication_method": "INCREMENTAL",
                "schema": {
                    "properties": {"n": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}}
                },
            }
        ]
    }
    config: dict[str, Any] = {"tap": str(program), "catalog": catalog}
    made = Destination()
    with pytest.raises(Transient, match="before it had read all of numbers"):
        await carry_out({**config, "config": {"count": 12_000, "stop_at": 11_000}}, made)
    state = (made.checkpoint["singer", "default"].bookmark or {})["state"]
    assert "progress_markers" in state["bookmarks"]["numbers"]
    assert 0 < len(made.rows["numbers"]) < 12_000
    await carry_out({**config, "config": {"count": 12_000}}, made)
    assert len(made.rows["numbers"]) == 12_000
    state = (made.checkpoint["singer", "default"].bookmark or {})["state"]
    assert state["bookmarks"]["numbers"]["replication_key_value"] == "2026-01-01T03:19:59+00:00"
