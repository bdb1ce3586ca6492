"""What doctor finds in the services."""

from __future__ import annotations

import time

import pytest

from etl_core.control import doctor
from etl_core.store import database


async def test_a_clock_that_is_wrong(db: database.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 3_600)
    server, clock = await doctor.check_server(db)
    assert server.status == "ok"
    assert (clock.status, "3600 s" in clock.detail) == ("warn", True)
    assert "NTP" in (clock.remedy or "")


async def test_no_jobs_is_no_complaint(db: database.Connection) -> None:
    assert [(check.check, check.status) for check in await doctor.check_jobs(db)] == [
        ("jobs", "ok"),
        ("overdue jobs", "ok"),
    ]


async def test_a_schema_that_was_tampered_with(db: database.Connection) -> None:
    assert (await doctor.check_schema_state(db)).status == "ok"
    await db.execute("UPDATE schema_migrations SET checksum = 'other' WHERE version = 3")
    found = await doctor.check_schema_state(db)
    assert (found.status, "edited" in found.detail) == ("fail", True)
