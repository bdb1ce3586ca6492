"""How an integration's rows are loaded, as a person changes it."""

from __future__ import annotations

import pytest

from etl_core.control.integration_loading import change_loading
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.store.database import Connection
from tests.support.jobs import PERSON, make_job

PLACE = {"tenant": "acme", "name": "made-up"}


async def test_what_is_not_given_stays(db: Connection) -> None:
    await make_job(db)
    row = await change_loading(db, **PLACE, actor=PERSON, schema_mode="freeze")
    assert (row.schema_mode, row.destination_url) == ("freeze", None)
    row = await change_loading(db, **PLACE, actor=PERSON, destination_url="env:WAREHOUSE")
    assert (row.schema_mode, row.destination_url) == ("freeze", "env:WAREHOUSE")
    row = await change_loading(db, **PLACE, actor=PERSON, destination_url=None)
    assert (row.schema_mode, row.destination_url) == ("freeze", None)
    events = await db.fetch("SELECT detail FROM job_events WHERE action = 'change_loading' ORDER BY id")
    assert [event["detail"]["after"]["destination_url"] for event in events] == [None, "env:WAREHOUSE", None]


async def test_what_cannot_be(db: Connection) -> None:
    job_id = await make_job(db)
    with pytest.raises(NotFound):
        await change_loading(db, tenant="acme", name="nobody", actor=PERSON, schema_mode="freeze")
    with pytest.raises(InvalidInput, match="evolve, freeze, quarantine"):
        await change_loading(db, **PLACE, actor=PERSON, schema_mode="thaw")
    with pytest.raises(InvalidInput, match="without a password"):
        await change_loading(db, **PLACE, actor=PERSON, destination_url="postgresql://a:secret@b/c")
    await db.execute(
        "INSERT INTO destination_tables (schema_name, table_name, job_id, stream, key, columns)"
        " VALUES ('s', 't', $1, 'records', '{}', '[]')",
        job_id,
    )
    with pytest.raises(Conflict, match="has rows where it loads now"):
        await change_loading(db, **PLACE, actor=PERSON, destination_url="env:WAREHOUSE")
    assert await db.fetchval("SELECT count(*) FROM job_events WHERE action = 'change_loading'") == 0
