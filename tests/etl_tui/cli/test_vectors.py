"""`integrations vectorize` and `search`, from the first setting to what is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from etl_core.models.vectors import SearchHit, VectorizedRow, VectorSettings
from etl_core.store import database
from etl_core.store.database import Connection
from tests.etl_tui.cli.conftest import Cli, Sql
from tests.simulators.embeddings import EmbeddingServer, serve_embeddings
from tests.workers.loader.conftest import load
from tests.workers.vectorize.conftest import ISSUES, issues, work
from workers.loader import ensure_tables
from workers.vectorize import Vectorizer

LIST = ("integrations", "vectorize", "acme", "made-up")
TITLES = ("The application crashes when saving a file", "Add a dark theme", "Invoice shows the wrong total")


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with serve_embeddings() as simulator:
        yield simulator


@pytest.fixture
def loaded(acme: Cli, database_url: str) -> Cli:
    """The job acme/orders has loaded the stream `issues`."""

    async def fill() -> None:
        async with _connection(database_url) as conn:
            job_id = await conn.fetchval("SELECT id FROM etl_jobs WHERE job_name = 'orders'")
            tables = await ensure_tables(
                conn, job_id=job_id, tenant="acme", integration="made-up", schema=None, streams=[ISSUES]
            )
            rows = [dict(row) | {"title": title} for row, title in zip(issues(range(3)), TITLES, strict=True)]
            await load(conn, tables["issues"], rows)

    asyncio.run(fill())
    return acme


def embed_all(url: str) -> None:
    """What a worker does when it has nothing else to do."""

    async def run() -> None:
        async with (
            database.open_pool(url, application_name="etl-worker", max_size=2) as pool,
            Vectorizer(pool) as made,
        ):
            await work(made)

    asyncio.run(run())


def test_from_the_first_setting_to_what_is_found(loaded: Cli, database_url: str) -> None:
    assert "nothing is vectorized" in loaded(*LIST).out
    loaded("search", "anything", "--stream", "issues").refused(3, "vectorize")
    told = loaded(*LIST, "--stream", "issues", "--columns", "title,body")
    assert (told.code, told.err) == (0, "")
    assert "title, body embedded by model wordllama-256" in told.out
    assert "under way" in loaded(*LIST).out
    loaded("search", "anything", "--stream", "issues").refused(
        4, "nothing of stream 'issues' is embedded yet"
    )

    embed_all(database_url)
    [row] = loaded(*LIST, "--json").document
    seen = VectorizedRow.model_validate(row)
    assert (seen.rows_embedded, seen.rows_live, seen.rows_refused, seen.under_way) == (3, 3, 0, False)
    found = loaded("search", "program stops with an error", "--stream", "issues", "--limit", "2")
    assert (found.code, found.err) == (0, "")
    assert TITLES[0] in found.out.splitlines()[1]
    assert len(found.out.splitlines()) == 3
    hits = [
        SearchHit.model_validate(hit)
        for hit in loaded("search", "bill", "--stream", "issues", "--job", "acme/orders", "--json").document
    ]
    assert (hits[0].key, hits[0].text, hits[0].record["stars"]) == ({"id": 2}, TITLES[2], 0)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_what_is_not_embedded_yet_is_said_beside_the_answer(
    loaded: Cli, server: EmbeddingServer, database_url: str
) -> None:
    given = ("--stream", "issues", "--columns", "title", "--provider", "http", "--url", server.url)
    assert loaded(*LIST, *given, "--model", "tiny").code == 0
    embed_all(database_url)
    changed = loaded(
        *LIST, "--stream", "issues", "--model", "other",
        "--dimension", "32", "--json",
    )  # fmt: skip
    settings = VectorSettings.model_validate(changed.document)
    assert (settings.url, settings.text_columns, settings.dimension) == (server.url, ["title"], 32)
    found = loaded("search", "theme", "--stream", "issues", "--json")
    assert found.document == []
    assert "0 of 3 rows have a vector of other" in found.err
    embed_all(database_url)
    assert loaded("search", "theme", "--stream", "issues", "--json").document[0]["key"] == {"id": 1}


def test_a_provider_that_fails_is_told(loaded: Cli, server: EmbeddingServer, database_url: str) -> None:
    given = ("--stream", "issues", "--columns", "title", "--provider", "http", "--url", server.url)
    loaded(*LIST, *given, "--model", "tiny", "--dimension", "48")
    embed_all(database_url)
    assert "rests after 1 failure: model tiny at" in loaded(*LIST).out
    loaded("search", "theme", "--stream", "issues").refused(1, "dimension 32, and 48 is recorded")
    server.api_key = "sesame"
    loaded("search", "theme", "--stream", "issues").refused(1, "answer 401", "--api-key")
    server.api_key = None
    loaded(*LIST, "--stream", "issues", "--dimension", "32")
    embed_all(database_url)
    assert loaded("search", "theme", "--stream", "issues", "--json").document[0]["key"] == {"id": 1}
    loaded(*LIST, "--stream", "issues", "--url", "http://127.0.0.1:1/v1")
    loaded("search", "theme", "--stream", "issues").refused(5, "is the server running")


def test_a_stream_that_is_switched_off_and_on_again(loaded: Cli, database_url: str, sql: Sql) -> None:
    of = (*LIST, "--stream", "issues")
    loaded(*of, "--columns", "title")
    embed_all(database_url)
    assert loaded(*of, "--off", "--json").document == {"stream": "issues", "off": True}
    loaded(*of, "--off").refused(3, "not vectorized")
    loaded("search", "theme", "--stream", "issues").refused(3)
    before = sql("SELECT max(_embedded_at) FROM acme_made_up.issues_vectors")
    loaded(*of, "--columns", "title")
    embed_all(database_url)
    assert sql("SELECT max(_embedded_at) FROM acme_made_up.issues_vectors") == before
    assert sql("SELECT count(*) FROM job_events WHERE action IN ('vectorize', 'stop_vectorizing')") == 3


def test_settings_that_cannot_be(loaded: Cli, sql: Sql) -> None:
    title = ("--stream", "issues", "--columns", "title")
    for options, words in (
        (("--columns", "title"), "--stream"),
        (("--off",), "--stream"),
        (("--stream", "issues"), "--columns"),
        ((*title, "--off"), "--off"),
        (("--stream", "issues", "--columns", "titel"), "no column 'titel'; of text there are title, body"),
        (("--stream", "issues", "--columns", "stars"), "is bigint, not text"),
        (("--stream", "issues", "--columns", "title,title"), "each once"),
        (("--stream", "issues", "--columns", "title,"), "one or more"),
        ((*title, "--model", "gpt"), "wordllama-256"),
        ((*title, "--dimension", "12"), "has dimension 256"),
        ((*title, "--dimension", "0"), "the dimension: 1 to 16,000"),
        ((*title, "--batch-size", "9999"), "1 to 2,048"),
        ((*title, "--url", "http://h/v1"), "neither a URL nor a key"),
        ((*title, "--provider", "cloud"), "invalid choice"),
        ((*title, "--provider", "http"), "its URL and the name"),
    ):
        loaded(*LIST, *options).refused(2, words)
    assert sql("SELECT count(*) FROM vector_settings") == 0


def test_a_secret_in_clear_is_refused_and_never_repeated(loaded: Cli, sql: Sql) -> None:
    given = ("--stream", "issues", "--columns", "title", "--provider", "http", "--model", "m")
    for secret in (
        ("--url", "http://me:opensesame@h/v1"),
        ("--url", "ftp://h/opensesame"),
        ("--url", "http://h/v1?key=opensesame"),
        ("--url", "http://h/v1", "--api-key", "opensesame"),
    ):
        refused = loaded(*LIST, *given, *secret)
        refused.refused(2)
        assert "opensesame" not in refused.err
    assert sql("SELECT count(*) FROM vector_settings") == 0


def test_a_stream_may_be_set_before_it_was_ever_loaded(acme: Cli) -> None:
    assert acme(*LIST, "--stream", "later", "--columns", "a").code == 0
    assert "not loaded yet" in acme(*LIST).out
    acme("search", "words", "--stream", "later").refused(3, "no loaded stream 'later'")


def test_searches_that_cannot_be(loaded: Cli) -> None:
    loaded(*LIST, "--stream", "issues", "--columns", "title")
    loaded("search", " ", "--stream", "issues").refused(2, "no text")
    loaded("search", "words").refused(2, "--stream")
    for limit in ("0", "1001", "ten"):
        loaded("search", "words", "--stream", "issues", "--limit", limit).refused(2)
    loaded("search", "words", "--stream", "issues", "--job", "acme/none").refused(3, "acme/none")
    loaded("integrations", "vectorize", "acme", "none").refused(3, "none")
    loaded("integrations", "vectorize", "nobody", "made-up", "--stream", "s", "--columns", "a").refused(
        3, "nobody"
    )
    loaded("integrations", "vectorize", "acme", "none", "--stream", "s", "--columns", "a").refused(3, "none")


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[Connection]:
    conn = await database.connect(url, application_name="tests")
    try:
        yield conn
    finally:
        await conn.close()
