"""Rows get their vectors: new and changed ones only, whatever the table looks like."""

from __future__ import annotations

from etl_core.connector import Column, ColumnType, Stream
from etl_core.control.vectors import search
from etl_core.store.database import Connection
from tests.simulators.embeddings import EmbeddingServer
from tests.support.jobs import one
from tests.workers.vectorize.conftest import Place, issues, make_place


async def test_only_what_is_new_or_changed_is_embedded(remote: Place, server: EmbeddingServer) -> None:
    await remote.load(*issues(range(25)))
    assert await remote.work() > 0
    assert len(await remote.vectors()) == 25
    assert sorted(server.texts) == sorted(["text", *(f"issue number{n}" for n in range(25))])
    assert [len(request["input"]) for request in server.requests] == [1, 10, 10, 5]
    assert (await remote.settings())["dimension"] == 32

    server.forget()
    assert await remote.work() == 0
    await remote.load(*issues(range(25), stars=3))  # changed, but not in what is embedded
    assert await remote.work() == 1
    assert server.texts == []
    await remote.load(*issues([3], body="a body"), *issues([25, 26]))
    assert await remote.work() == 1
    assert server.texts == ["issue number3\na body", "issue number25", "issue number26"]
    assert await remote.work() == 0


async def test_deleted_and_emptied_rows_lose_their_vectors(remote: Place) -> None:
    table = f"{remote.table.schema}.{remote.table.name}"
    await remote.load(*issues(range(6)), {"id": 6, "title": " \n", "body": ""})
    await remote.work()
    assert [row[0] for row in await remote.vectors()] == [0, 1, 2, 3, 4, 5]
    await remote.db.execute(f"UPDATE {table} SET _deleted_at = now() WHERE id = 1")
    await remote.db.execute(f"DELETE FROM {table} WHERE id = 4")
    await remote.db.execute(f"UPDATE {table} SET title = NULL WHERE id = 5")
    await remote.tell_changes()
    await remote.work()
    assert [row[0] for row in await remote.vectors()] == [0, 2, 3]
    await remote.load(*issues([1]))  # back again
    await remote.work()
    assert [row[0] for row in await remote.vectors()] == [0, 1, 2, 3]


async def test_a_run_that_changed_something_is_noticed_before_the_counts_arrive(remote: Place) -> None:
    await remote.load(*issues(range(3)))
    await remote.work()
    await remote.db.execute("UPDATE vector_tables SET changes_seen = (SELECT changes FROM vectorized_tables)")
    assert await remote.work() == 0
    await remote.db.execute(
        "INSERT INTO job_runs (job_id, tenant_id, trigger, state, finished_at, counters)"
        " SELECT id, tenant_id, 'manual', 'SUCCEEDED', now(), $1 FROM etl_jobs",
        {"rows_new": 0, "rows_changed": 0, "rows_deleted": 0},
    )
    assert await remote.work() == 0
    await remote.db.execute("UPDATE job_runs SET counters = $1", {"rows_new": 1, "rows_changed": 0})
    assert await remote.work() == 1


async def test_another_model_embeds_all_anew_and_replaces_row_by_row(
    remote: Place, server: EmbeddingServer
) -> None:
    await remote.load(*issues(range(30)))
    await remote.work()
    server.forget()
    server.dimension = 48
    await remote.set(model="bigger")
    async with remote.vectorizer(range_rows=10) as made:
        await made.run_once()
        models = [model for _, model in await remote.vectors()]
        assert models == ["http:bigger/48"] * 10 + ["http:tiny/32"] * 20
        # Searched is what the model that is set has made; the others wait for their turn.
        answer = await search(remote.db, "number25", stream="issues", limit=50)
        assert (len(answer.hits), answer.rows_embedded, answer.rows_live) == (10, 10, 30)
    await remote.work(range_rows=10)
    assert {model for _, model in await remote.vectors()} == {"http:bigger/48"}
    assert len(server.texts) == 31 + 1  # and the probe, and what was searched for
    [best, *_] = (await search(remote.db, "number25", stream="issues", limit=3)).hits
    assert best.key == {"id": 25}
    assert best.text == "issue number25"


async def test_other_columns_embed_only_what_reads_differently(
    remote: Place, server: EmbeddingServer
) -> None:
    await remote.load(*issues(range(5)), *issues([5], body="more"))
    await remote.work()
    server.forget()
    await remote.set(text_columns=["title"])
    await remote.work()
    assert server.texts == ["issue number5"]


async def test_a_stream_without_a_key(db: Connection, database_url: str) -> None:
    log = Stream("log", (Column("message", ColumnType.TEXT),))
    async with make_place(db, database_url, log) as place:
        await place.set(text_columns=["message"])
        await place.load({"message": "out of memory"}, {"message": "a kitten"}, {"message": None})
        await place.work()
        assert len(await place.vectors("_row_id")) == 2
        answer = await search(db, "cat", stream="log", limit=1)
        assert answer.hits[0].record["message"] == "a kitten"


async def test_a_key_of_every_type(db: Connection, database_url: str, server: EmbeddingServer) -> None:
    values = {
        "text": ["it's", 'a "key", {x}\\', "NULL", ""],
        "bigint": [-(2**63), 2**63 - 1, 0, 1],
        "numeric": [10**30, 1, 2, 3],
        "boolean": [True, False, True, False],
        "timestamptz": ["2024-02-29T23:59:59.999999Z", "0001-01-01T00:00:00Z", "1999-01-01T00:00:00+05:30"]
        * 2,
        "date": ["2024-02-29", "1999-12-31", "0001-01-01", "2000-01-01"],
        "uuid": ["6f3b2c1e-0000-4000-8000-00000000000a"] * 4,
        "jsonb": [{"a": [1, None]}, "text", 5, [[]]],
    }
    columns = tuple(Column(f"k {type_.value}", type_) for type_ in ColumnType)
    stream = Stream("every", (*columns, Column("words", ColumnType.TEXT)), key=tuple(c.name for c in columns))
    async with make_place(db, database_url, stream) as place:
        await place.set(text_columns=["words"], provider="http", model="tiny", url=server.url)
        await place.load(
            *({f"k {name}": of[n] for name, of in values.items()} | {"words": f"row{n}"} for n in range(4))
        )
        await place.work(range_rows=1)
        assert sorted(server.texts) == ["row0", "row1", "row2", "row3", "text"]
        table = f'"{place.table.schema}"."every_vectors"'
        assert (await one(db, f"SELECT count(*) FROM {table}"))[0] == 4
        server.forget()
        await db.execute("UPDATE vector_settings SET version = version + 1")
        await place.work(range_rows=1)
        assert server.texts == []


async def test_a_name_that_is_taken(place: Place, server: EmbeddingServer) -> None:
    """A stream `issues_vectors`, or a table of a person, keeps its name."""
    await place.db.execute(f"CREATE TABLE {place.table.schema}.issues_vectors (mine text)")
    await place.set(text_columns=["title"], provider="http", model="tiny", url=server.url)
    await place.load(*issues([1]))
    await place.work()
    name = await place.db.fetchval("SELECT vectors_name FROM vector_tables")
    assert name.startswith("issues_vectors_")
    assert await place.db.fetchval(f'SELECT count(*) FROM {place.table.schema}."{name}"') == 1
    assert (await search(place.db, "number1", stream="issues", limit=1)).hits[0].key == {"id": 1}


async def test_a_table_of_vectors_that_no_longer_fits_is_made_anew(
    remote: Place, server: EmbeddingServer
) -> None:
    await remote.load(*issues(range(4)))
    await remote.work()
    server.forget()
    # The loader widens a key when the source's numbers outgrow it.
    await remote.db.execute(f"ALTER TABLE {remote.table.schema}.issues ALTER COLUMN id TYPE numeric")
    await remote.db.execute(f"UPDATE {remote.table.schema}.issues SET id = 10::numeric ^ 20 WHERE id = 3")
    await remote.tell_changes()
    await remote.work()
    assert len(server.texts) == 4
    assert [int(row[0]) for row in await remote.vectors()] == [0, 1, 2, 10**20]


async def test_many_vectors_get_an_index_which_goes_with_its_model(
    remote: Place, server: EmbeddingServer
) -> None:
    async def indexes() -> list[str]:
        found = await remote.db.fetch("SELECT indexdef FROM pg_indexes WHERE indexdef LIKE '%hnsw%'")
        return [row["indexdef"] for row in found]

    await remote.set(batch_size=1000)
    await remote.load(*issues(range(1_999)))
    await remote.work()
    assert await indexes() == []
    await remote.load(*issues([1_999]))
    await remote.work()
    [index] = await indexes()
    assert "vector(32)" in index
    assert "http:tiny/32" in index
    [best, *others] = (await search(remote.db, "number1234", stream="issues", limit=100)).hits
    assert best.key == {"id": 1234}
    assert len(others) == 99  # pgvector alone would stop at 40
    server.dimension = 16
    await remote.set(model="smaller")
    await remote.work()
    [index] = await indexes()
    assert "http:smaller/16" in index


async def test_the_local_model_finds_by_meaning(place: Place) -> None:
    await place.set(text_columns=["title"])
    titles = [
        "The application crashes when saving a file",
        "Add a dark theme",
        "Invoice shows the wrong total",
    ]
    await place.load(*({"id": n, "title": title} for n, title in enumerate(titles)))
    await place.work()
    for words, expected in (
        ("program stops with an error", 0),
        ("black colors", 1),
        ("amount on the bill", 2),
    ):
        answer = await search(place.db, words, stream="issues", limit=1)
        assert answer.hits[0].key == {"id": expected}, words
    await place.set(model="wordllama-64")
    await place.work()
    assert {model for _, model in await place.vectors()} == {"local:wordllama-64/64"}
