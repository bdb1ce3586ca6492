"""Providers that fail: what is told, how long they are left alone, and that other rows and streams go on."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from etl_core.connector import Column, ColumnType, Stream
from etl_core.embeddings import EmbedderConfig, open_embedder
from etl_core.embeddings.http import HttpEmbedder
from etl_core.errors import BadRecord, Permanent, RateLimited, SourceError, Transient, Unauthorised
from tests.simulators.embeddings import EmbeddingServer, Fault, embed_words
from tests.workers.loader.conftest import load
from tests.workers.vectorize.conftest import Place, issues
from workers.loader import ensure_tables

TEXTS = ["one word", "two words", "and three"]


async def ask(server: EmbeddingServer, *, api_key: str | None = None, **config: Any) -> list[list[float]]:
    given = EmbedderConfig("http", "tiny", server.url, **config)
    async with HttpEmbedder(given, api_key=api_key, timeout=5) as embedder:
        return await embedder.embed(TEXTS)


def answers(embeddings: list[Any], *, indexes: list[Any] | None = None) -> Fault:
    places = indexes or list(range(len(embeddings)))
    data = [{"index": place, "embedding": vector} for place, vector in zip(places, embeddings, strict=True)]
    return Fault(body=json.dumps({"data": data}).encode())


async def test_vectors_come_in_the_order_of_the_texts(server: EmbeddingServer) -> None:
    assert await ask(server) == [embed_words(text, 32) for text in TEXTS]
    assert server.requests == [{"model": "tiny", "input": TEXTS, "encoding_format": "float"}]


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        (Fault(status=500, body=b"<html>\n oops</html>"), Transient, r"answer 500 \(<html> oops</html>\)"),
        (Fault(status=502, body=b""), Transient, "answer 502"),
        (Fault(status=429, body=b'{"error": "slow down"}'), RateLimited, r"429 \(slow down\)"),
        (Fault(status=404, body=b'{"error": {"message": "model tiny not found"}}'), Permanent, "not found"),
        (
            Fault(status=307, headers={"Location": "http://elsewhere/v1"}),
            Permanent,
            "leads to http://elsewhere",
        ),
        (Fault(status=403, body=b""), Unauthorised, "--api-key"),
        (Fault(status=422, body=b'{"detail": "too long"}'), BadRecord, "too long"),
        (Fault(cut=True), Transient, "is the server running"),
        (Fault(body=b"not json"), Transient, "no list of embeddings"),
        (Fault(body=b'{"data": null}'), Transient, "no list of embeddings"),
        (Fault(body=b"[" * 100_000), Transient, "no list of embeddings"),
        (Fault(vectors_missing=1), Permanent, "2 vectors for 3 texts"),
        (Fault(vectors_missing=3), Permanent, "0 vectors for 3 texts"),
        (answers([[1.0]] * 3, indexes=[0, 1, 1]), Transient, "no list of embeddings"),
        (answers([[1.0], [1.0, 2.0], [1.0]]), Permanent, "dimension 1, 2"),
        (answers([[], [], []]), Permanent, "dimension 0"),
        (answers([[1.0], [float("nan")], [1.0]]), Transient, "no list of embeddings"),  # NaN is no JSON
        (answers([[1.0], [10**400], [1.0]]), Permanent, "not all numbers"),
        (answers([[1.0], [-1e39], [1.0]]), Permanent, "not all numbers"),
        (answers([[1.0], ["1"], [None]]), Permanent, "not all numbers"),
    ],
)
async def test_a_bad_answer(
    server: EmbeddingServer, fault: Fault, error: type[SourceError], told: str
) -> None:
    server.faults.append(fault)
    with pytest.raises(error, match=told):
        await ask(server)


async def test_another_dimension_than_the_recorded_one(server: EmbeddingServer) -> None:
    with pytest.raises(Permanent, match="dimension 32, and 48 is recorded"):
        await ask(server, dimension=48)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, timedelta(seconds=7)),
        (
            {"Retry-After": "Wed, 25 Nov 2026 10:00:20 GMT", "Date": "Wed, 25 Nov 2026 10:00:00 GMT"},
            timedelta(seconds=20),
        ),
        ({"Retry-After": "99999999999"}, timedelta(days=1)),
        ({"Retry-After": "soon"}, timedelta(seconds=30)),
        ({}, timedelta(seconds=30)),
    ],
)
async def test_how_long_a_rate_limit_asks_us_to_wait(
    server: EmbeddingServer, headers: dict[str, str], wait: timedelta
) -> None:
    server.faults.append(Fault(status=429, headers=headers, body=b""))
    with pytest.raises(RateLimited) as caught:
        await ask(server)
    assert caught.value.until == wait


async def test_an_endpoint_that_does_not_answer(server: EmbeddingServer) -> None:
    server.faults.append(Fault(hangs=True))
    config = EmbedderConfig("http", "tiny", server.url)
    async with HttpEmbedder(config, api_key=None, timeout=0.2) as embedder:
        with pytest.raises(Transient, match=r"no answer within 0\.2 s"):
            await embedder.embed(TEXTS)
    async with open_embedder(EmbedderConfig("http", "tiny", "http://127.0.0.1:1/v1")) as embedder:
        with pytest.raises(Transient, match="is the server running"):
            await embedder.embed(TEXTS)


async def test_no_message_repeats_a_key(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.api_key = "the right one"
    assert len(await ask(server, api_key="the right one")) == 3
    for wrong in ("sesame-4711", "sesame-4711\n", "sesame-4711\u20ac"):
        monkeypatch.setenv("EMBEDDING_KEY", wrong)
        config = EmbedderConfig("http", "tiny", server.url, api_key="env:EMBEDDING_KEY")
        with pytest.raises(Unauthorised) as caught:
            async with open_embedder(config) as embedder:
                await embedder.embed(TEXTS)
        assert "4711" not in str(caught.value)
    for nowhere in ("env:NOT_SET_ANYWHERE", "file:/not/there"):
        with pytest.raises(Unauthorised, match=nowhere):
            async with open_embedder(EmbedderConfig("http", "tiny", server.url, api_key=nowhere)):
                pass


async def test_the_local_model_needs_no_network_and_leaves_logging_alone() -> None:
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    async with open_embedder(EmbedderConfig("local", "wordllama-128", dimension=128)) as embedder:
        vectors = await embedder.embed(["a text", "another one", ""])
        assert await embedder.embed([]) == []
    assert [len(vector) for vector in vectors] == [128] * 3
    assert not any(vectors[2])
    assert (logging.getLogger().handlers, logging.getLogger().level) == (handlers, level)
    with pytest.raises(Permanent, match="there are wordllama-256"):
        async with open_embedder(EmbedderConfig("local", "gpt")):
            pass


async def test_a_rate_limit_rests_the_stream_as_long_as_it_says(
    remote: Place, server: EmbeddingServer
) -> None:
    await remote.load(*issues(range(20)))
    server.faults.extend([Fault(), Fault(), Fault(status=429, headers={"Retry-After": "400"}, body=b"")])
    assert await remote.work() == 1
    assert len(await remote.vectors()) == 10
    row = await remote.db.fetchrow("SELECT ready_at - now() AS wait, error FROM vector_settings")
    assert row
    assert timedelta(seconds=390) < row["wait"] < timedelta(seconds=401)
    assert "answer 429" in row["error"]
    await remote.rest_over()
    assert await remote.work() == 1
    assert len(await remote.vectors()) == 20
    assert (await remote.settings())["error"] is None
    assert len(server.texts) == 1 + 10 + 10 + 10  # only what was under way is asked for again


async def test_failures_in_a_row_wait_longer_and_longer(remote: Place, server: EmbeddingServer) -> None:
    await remote.load(*issues([1]))
    waits = []
    for _ in range(10):
        server.faults.append(Fault(status=503, body=b""))
        assert await remote.work() == 1
        waits.append(
            await remote.db.fetchval(
                "SELECT extract(epoch FROM ready_at - now())::float8 FROM vector_settings"
            )
        )
        await remote.rest_over()
    assert waits[0] < 1.1
    assert waits == sorted(waits)
    assert 290 < waits[-1] <= 300
    await remote.work()
    assert (await remote.settings())["failures"] == 0


async def test_a_text_that_is_refused_costs_only_itself(remote: Place, server: EmbeddingServer) -> None:
    await remote.load(*issues(range(19)), *issues([19], title="a poison pill"))
    server.refuses = "poison"
    await remote.work()
    vectors = await remote.vectors("id", "_embedding IS NULL", "_error")
    assert [(key, refused) for key, refused, _ in vectors] == [(n, n == 19) for n in range(20)]
    assert "maximum context length" in vectors[19][2]
    server.forget()
    await remote.load(*issues([3], title="another title"))
    await remote.work()
    assert server.texts == ["another title"]  # the refused one is not tried for ever
    await remote.load(*issues([19], title="harmless"))
    await remote.work()
    assert await remote.vectors("_error") == [(None,)] * 20


async def test_a_model_that_refuses_everything_is_no_matter_of_the_text(
    remote: Place, server: EmbeddingServer
) -> None:
    await remote.load(*issues(range(20)))
    await remote.set(dimension=32)
    server.refuses = ""
    server.faults.extend([Fault(status=400, body=b'{"error": "tiny does not embed"}')] * 20)
    await remote.work()
    assert await remote.vectors() == []
    settings = await remote.settings()
    assert "tiny does not embed" in settings["error"]
    assert "refuses any text" in settings["error"]


async def test_a_stream_that_rests_does_not_stop_another(place: Place, server: EmbeddingServer) -> None:
    notes = Stream("notes", (Column("id", ColumnType.BIGINT), Column("words", ColumnType.TEXT)), key=("id",))
    tables = await ensure_tables(
        place.db, job_id=place.job_id, tenant="acme", integration="github", schema=None, streams=[notes]
    )
    await load(place.db, tables["notes"], [{"id": 1, "words": "a note"}])
    await place.load(*issues(range(5)))
    await place.set(text_columns=["title"], provider="http", model="tiny", url="http://127.0.0.1:1/v1")
    await place.db.execute(
        "INSERT INTO vector_settings (integration_id, stream, columns, provider, model, dimension,"
        " batch_size, max_chars)"
        " SELECT integration_id, 'notes', '{words}', 'local', 'wordllama-64', 64, 9, 99 FROM vector_settings"
    )
    await place.work()
    assert await place.db.fetchval("SELECT count(_embedding) FROM acme_github.notes_vectors") == 1
    failed = await place.db.fetchrow("SELECT * FROM vector_settings WHERE stream = 'issues'")
    assert failed
    assert "is the server running" in failed["error"]


async def test_a_column_that_went_away_is_told(remote: Place) -> None:
    await remote.load(*issues([1]))
    await remote.db.execute("UPDATE vector_settings SET columns = '{titel}'")
    await remote.work()
    assert "no column 'titel'; of text there are title, body" in (await remote.settings())["error"]
    await remote.db.execute("UPDATE vector_settings SET columns = '{title}'")
    await remote.rest_over()
    await remote.db.execute("ALTER TABLE acme_github.issues DROP COLUMN title")
    await remote.work()
    assert "column title of acme_github.issues was dropped by hand" in (await remote.settings())["error"]
