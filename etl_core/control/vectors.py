"""Which streams are vectorized, and search in them. Each change is one transaction and leaves an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from etl_core.control.audit import Actor, record_event
from etl_core.control.pgvector import ensure_pgvector, find_pgvector
from etl_core.control.tenants import find_tenant
from etl_core.embeddings import EmbedderConfig, open_embedder
from etl_core.embeddings.columns import text_columns
from etl_core.embeddings.protocol import MAX_DIMENSION
from etl_core.errors import (
    Conflict,
    EtlError,
    InvalidInput,
    NotFound,
    RateLimited,
    SourceError,
    Transient,
    Unreachable,
)
from etl_core.models.vectors import SearchAnswer, SearchHit, VectorizedRow, VectorRequest, VectorSettings
from etl_core.rules.secrets import parse_reference, secrets_in_clear
from etl_core.store.database import Connection
from etl_core.store.queries import load

MAX_HITS: Final = 1_000
MAX_BATCH: Final = 2_048
MAX_CHARS: Final = 1_000_000
DEFAULT_BATCH: Final = 64
DEFAULT_CHARS: Final = 8_000
"""About 2,000 tokens of English, which most models take."""

_vectors = load("vectors")


async def list_vectorized(
    conn: Connection, *, tenant: str | None = None, integration: str | None = None
) -> list[VectorizedRow]:
    """What is vectorized, a row per stream and table. Counts rows, so it takes a moment on large tables."""
    return [
        VectorizedRow.model_validate(dict(row))
        async for row in _vectors.list_vectorized(conn, tenant=tenant, integration_name=integration)
    ]


async def vectorize(
    conn: Connection, *, tenant: str, integration: str, stream: str, request: VectorRequest, actor: Actor
) -> VectorSettings:
    """Sets what of a stream is embedded; workers make vectors of all its rows that lack one of this model.

    What the request leaves open stays as it is set. The stream need not have been loaded yet.

    Raises:
        NotFound: no such tenant or integration. Conflict: PostgreSQL has no pgvector, with what to do.
        InvalidInput: a column that is not there or holds no text, a secret in clear, a URL that is none.
    """
    _check_numbers(request)
    owner = await find_tenant(conn, tenant)
    await ensure_pgvector(conn)
    async with conn.transaction():
        integration_id = await _lock_integration(conn, owner.name, integration)
        row = await _vectors.vector_settings_of(conn, integration_id=integration_id, stream=stream)
        before = VectorSettings.model_validate(dict(row)) if row else None
        settings = _settle(request, before)
        _check(settings)
        async for table in _vectors.stream_tables(conn, integration_id=integration_id, stream=stream):
            name = f"{table['schema_name']}.{table['table_name']}"
            text_columns(table["columns"], settings.text_columns, table=name)
        await _vectors.put_vector_settings(
            conn, integration_id=integration_id, stream=stream, **settings.model_dump()
        )
        await record_event(
            conn,
            "vectorize",
            actor,
            tenant_id=owner.id,
            integration=integration,
            stream=stream,
            before=before.model_dump() if before else None,
            after=settings.model_dump(),
        )
    return settings


def _settle(request: VectorRequest, before: VectorSettings | None) -> VectorSettings:
    """The request, completed by what is set.

    A dimension is that of its model; URL, key and model are those of their provider.
    """
    from etl_core.embeddings.local import DEFAULT_MODEL, MODELS

    provider = request.provider or (before.provider if before else "local")
    kept = before if before and before.provider == provider else None
    model = request.model or (kept.model if kept else DEFAULT_MODEL if provider == "local" else "")
    dimension = request.dimension or (kept.dimension if kept and kept.model == model else None)
    if dimension is None and provider == "local":
        dimension = MODELS.get(model)
    columns = request.text_columns
    if columns is None and before:
        columns = before.text_columns
    if columns is None:
        raise InvalidInput("which columns are to be embedded? Name them with --columns a,b")
    return VectorSettings(
        text_columns=columns,
        provider=provider,
        model=model,
        dimension=dimension,
        url=request.url or (kept.url if kept else None),
        api_key=request.api_key or (kept.api_key if kept else None),
        batch_size=request.batch_size or (before.batch_size if before else DEFAULT_BATCH),
        max_chars=request.max_chars or (before.max_chars if before else DEFAULT_CHARS),
    )


async def stop_vectorizing(
    conn: Connection, *, tenant: str, integration: str, stream: str, actor: Actor
) -> None:
    """No more vectors are made of the stream; those that are there stay, and count when it is set again.

    Raises:
        NotFound: no such tenant or integration, or the stream is not vectorized.
    """
    owner = await find_tenant(conn, tenant)
    async with conn.transaction():
        integration_id = await _lock_integration(conn, owner.name, integration)
        row = await _vectors.vector_settings_of(conn, integration_id=integration_id, stream=stream)
        if not await _vectors.drop_vector_settings(conn, integration_id=integration_id, stream=stream):
            raise NotFound(
                f"stream {stream!r} of {tenant}/{integration} is not vectorized; "
                f"`etl-tui integrations vectorize {tenant} {integration}` lists what is"
            )
        await record_event(
            conn,
            "stop_vectorizing",
            actor,
            tenant_id=owner.id,
            integration=integration,
            stream=stream,
            before=VectorSettings.model_validate(dict(row)).model_dump() if row else None,
            after=None,
        )


async def search(
    conn: Connection,
    text: str,
    *,
    stream: str,
    limit: int,
    job_id: int | None = None,
    tenant: str | None = None,
) -> SearchAnswer:
    """The rows of a vectorized stream whose text is nearest to `text`, by the model that embedded them.

    Rows that the model has not embedded yet (new ones, or all while a new model takes over) are not found.

    Raises:
        InvalidInput: no text, a limit that cannot be, or several tables have such a stream.
        NotFound: no such stream is vectorized. Conflict: nothing of it is embedded yet, or no pgvector.
        Unreachable, EtlError: the model's provider fails; with what to do.
    """
    if not text.strip():
        raise InvalidInput("there is no text to search for")
    if not 1 <= limit <= MAX_HITS:
        raise InvalidInput(f"a search returns 1 to {MAX_HITS:,} rows")
    table = await _find_table(conn, stream, job_id, tenant)
    name = {"schema_name": table["schema_name"], "table_name": table["table_name"]}
    if table["vectors_name"] is None or table["dimension"] is None or not await find_pgvector(conn):
        raise Conflict(
            f"nothing of stream {stream!r} is embedded yet; an `etl-worker` does it, "
            "`etl-tui integrations vectorize TENANT NAME` shows how far it is"
        )
    coverage = await _vectors.vector_coverage_of(conn, **name)
    [wanted] = await _embed(
        EmbedderConfig(table["provider"], table["model"], table["url"], table["api_key"], table["dimension"]),
        [text],
    )
    async with conn.transaction():  # the width of the index search is set for its length
        hits = [
            SearchHit(
                score=row["score"],
                tenant=table["tenant"],
                job=table["job_name"],
                stream=stream,
                key=row["key"],
                text="\n".join(
                    str(row["record"][column]) for column in table["shown"] if row["record"].get(column)
                ),
                record=row["record"],
            )
            async for row in _vectors.search_vectors(conn, **name, wanted=wanted, at_most=limit)
        ]
    return SearchAnswer(
        hits=hits,
        model=table["model"],
        rows_live=coverage["rows_live"],
        rows_embedded=coverage["rows_embedded"],
    )


async def _find_table(
    conn: Connection, stream: str, job_id: int | None, tenant: str | None
) -> dict[str, Any]:
    found = [
        row async for row in _vectors.searchable_tables(conn, stream=stream, job_id=job_id, tenant=tenant)
    ]
    if not found:
        raise NotFound(
            f"no loaded stream {stream!r} is vectorized; "
            "`etl-tui integrations vectorize TENANT NAME --stream S --columns a,b` does that"
        )
    if len(found) > 1:
        jobs = ", ".join(f"{row['tenant']}/{row['job_name']}" for row in found)
        raise InvalidInput(
            f"{len(found)} jobs have a vectorized stream {stream!r}: {jobs}; name one with --job"
        )
    row = found[0]
    place = f"{row['schema_name']}.{row['table_name']}"
    return dict(row) | {"shown": text_columns(row["table_columns"], row["text_columns"], table=place)}


async def _embed(config: EmbedderConfig, texts: Sequence[str]) -> list[list[float]]:
    try:
        async with open_embedder(config) as embedder:
            return await embedder.embed(texts)
    except (Transient, RateLimited) as error:
        raise Unreachable(str(error)) from error
    except SourceError as error:
        raise EtlError(str(error)) from error


async def _lock_integration(conn: Connection, tenant: str, integration: str) -> int:
    row = await _vectors.integration_for_vectors(conn, tenant=tenant, integration_name=integration)
    if row is None:
        raise NotFound(f"{tenant} has no integration {integration!r}; `etl-tui integrations list` shows all")
    integration_id: int = row["id"]
    return integration_id


def _check_numbers(request: VectorRequest) -> None:
    for name, value, most in (
        ("texts in a request", request.batch_size, MAX_BATCH),
        ("characters of a text", request.max_chars, MAX_CHARS),
        ("the dimension", request.dimension, MAX_DIMENSION),
    ):
        if value is not None and not 1 <= value <= most:
            raise InvalidInput(f"{name}: 1 to {most:,}")


def _check(settings: VectorSettings) -> None:
    columns = settings.text_columns
    if not columns or any(not name.strip() for name in columns) or len(set(columns)) < len(columns):
        raise InvalidInput("columns to vectorize: one or more, each once")
    if secrets_in_clear({"url": settings.url, "api_key": settings.api_key}):
        raise InvalidInput("the key of the endpoint is in clear; give a reference, env:NAME or file:/path")
    reference = parse_reference(settings.api_key) if settings.api_key is not None else None
    if settings.api_key is not None and (reference is None or reference.kind not in ("env", "file")):
        raise InvalidInput("the key of the endpoint is no reference: env:NAME or file:/path")
    if settings.provider == "local":
        _check_local(settings)
    elif settings.url is None or not settings.model.strip():
        raise InvalidInput("an HTTP endpoint needs its URL and the name of a model")
    else:
        _check_url(settings.url)


def _check_local(settings: VectorSettings) -> None:
    from etl_core.embeddings.local import MODELS

    if settings.url is not None or settings.api_key is not None:
        raise InvalidInput("a local model has neither a URL nor a key")
    if settings.model not in MODELS:
        raise InvalidInput(f"no local model {settings.model!r}; there are {', '.join(MODELS)}")
    if settings.dimension not in (None, MODELS[settings.model]):
        raise InvalidInput(f"model {settings.model} has dimension {MODELS[settings.model]}")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        fits = False
    if not fits or parts.query or parts.fragment:
        raise InvalidInput(
            "the URL of an endpoint is what comes before /embeddings, such as http://127.0.0.1:11434/v1"
        )
