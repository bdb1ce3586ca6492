"""A server without pgvector migrates and works as before; who asks for vectors is told what to install."""

from __future__ import annotations

import pytest

from etl_core.control.pgvector import ensure_pgvector
from etl_core.control.vectors import search, vectorize
from etl_core.errors import Conflict, NotFound
from etl_core.models.vectors import VectorRequest
from etl_core.store import database
from etl_core.store.database import Connection
from etl_core.store.migrations import migrate, rollback
from etl_core.store.queries import load
from tests.simulators.embeddings import EmbeddingServer
from tests.workers.loader.conftest import make_job
from tests.workers.vectorize.conftest import PERSON, Place, issues


async def test_postgresql_without_pgvector(database15_url: str) -> None:
    conn = await database.connect(database15_url, application_name="tests")
    try:
        await migrate(conn)
        if (await load("vectors").pgvector(conn))["available"] is not None:
            return  # somebody installed it; the other tests show what happens then
        await make_job(conn)
        with pytest.raises(Conflict, match="postgresql-15-pgvector"):
            await vectorize(
                conn,
                tenant="acme",
                integration="github",
                stream="issues",
                request=VectorRequest(text_columns=["title"]),
                actor=PERSON,
            )
        assert await conn.fetchval("SELECT count(*) FROM vector_settings") == 0
        with pytest.raises(NotFound):
            await search(conn, "words", stream="issues", limit=1)
    finally:
        await conn.close()


async def test_an_extension_that_is_dropped_later(remote: Place) -> None:
    await remote.load(*issues([1]))
    await remote.work()
    await remote.db.execute("DROP EXTENSION vector CASCADE")
    with pytest.raises(Conflict, match="nothing of stream 'issues' is embedded"):
        await search(remote.db, "words", stream="issues", limit=1)
    await remote.load(*issues([2]))
    await remote.work()  # makes both anew
    assert len(await remote.vectors()) == 2


async def test_an_extension_in_a_schema_of_its_own(place: Place) -> None:
    await place.db.execute('CREATE SCHEMA "Ext"; CREATE EXTENSION vector SCHEMA "Ext"')
    await place.set(text_columns=["title"])
    await place.load(*issues(range(2_000)))
    await place.work()
    assert len((await search(place.db, "issue", stream="issues", limit=5)).hits) == 5


async def test_a_role_that_may_not_make_it(db: Connection, database_url: str) -> None:
    await make_job(db)
    await db.execute("DROP EXTENSION IF EXISTS vector; SET ROLE pg_read_all_data")
    with pytest.raises(Conflict, match="CREATE EXTENSION vector"):
        await ensure_pgvector(db)


async def test_the_way_back_and_forth_keeps_the_vectors(remote: Place, server: EmbeddingServer) -> None:
    await remote.load(*issues(range(3)))
    await remote.work()
    with pytest.raises(Conflict, match="1 settings of vectorizing: --discard"):
        await rollback(remote.db, to=13)
    await rollback(remote.db, to=13, discard=True)
    await migrate(remote.db)
    server.forget()
    await remote.set(text_columns=["title"], provider="http", model="tiny", url=server.url)
    await remote.work()
    assert server.texts == ["text"]  # the model was asked for its dimension, and nothing was embedded again
    assert len(await remote.vectors()) == 3
