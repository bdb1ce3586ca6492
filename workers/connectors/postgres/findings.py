"""What `integrations test` tells of a database: who we are there, what may be read, what would be slow."""

from __future__ import annotations

from collections.abc import Sequence

from etl_core.connector import Finding
from etl_core.errors import SourceError
from workers.connectors.postgres.catalog import Server, ask_identity, ask_server
from workers.connectors.postgres.config import PostgresConfig
from workers.connectors.postgres.finding_sources import find_sources
from workers.connectors.postgres.session import Session
from workers.connectors.postgres.sources import Source, Unreadable


async def look(session: Session, config: PostgresConfig) -> list[Finding]:
    """Findings in the order in which a person would look; nothing of a table is read but the catalog.

    Raises:
        SourceError: the server cannot be asked.
    """
    server = await ask_server(session)
    identity = await ask_identity(session)
    found = [_login(server), *_standby(server), *_encoding(server)]
    sources = await find_sources(session, config)
    for each in sources:
        found += _unreadable(each, server.role) if isinstance(each, Unreadable) else _readable(each)
    if identity is None and any(isinstance(each, Source) and each.by_xmin for each in sources):
        told = "the server does not tell its identity: a restore from elsewhere may not be noticed"
        remedy = "after one, clear the checkpoint; or GRANT EXECUTE ON FUNCTION pg_control_system()"
        found.append(Finding("xmin", "unknown", told, remedy))
    return found


def _login(server: Server) -> Finding:
    kind = "hot standby" if server.is_standby else "primary"
    tls = "with TLS" if server.is_encrypted else "without TLS"
    told = f"PostgreSQL {server.version}, {kind}, database {server.database}, as {server.role}, {tls}"
    return Finding("server", "ok", told)


def _standby(server: Server) -> Sequence[Finding]:
    if not server.is_standby:
        return []
    if server.feedback == "on":
        return [Finding("standby", "ok", "hot_standby_feedback is on: the primary keeps what we read")]
    told = f"it may cancel a long reading after {server.delay} (max_standby_streaming_delay)"
    remedy = "set hot_standby_feedback = on there, or lower snapshot_minutes and page_size"
    return [Finding("standby", "unknown", told, remedy)]


def _encoding(server: Server) -> Sequence[Finding]:
    if server.encoding != "SQL_ASCII":
        return []
    told = "SQL_ASCII says nothing of its texts: one that is no UTF-8 ends the reading"
    return [Finding("encoding", "unknown", told)]


def _readable(source: Source) -> list[Finding]:
    rows = f"about {source.about:,} rows of " if source.about else ""
    told = f"by key {', '.join(source.key)}, {rows}{len(source.columns)} columns, {_way(source)}"
    return [
        Finding(source.shown, "ok", told),
        *(Finding(source.shown, "unknown", doubt.what, doubt.remedy) for doubt in source.doubts),
    ]


def _way(source: Source) -> str:
    if not source.by:
        return "all of it in each run"
    every = "in each run" if source.census_every == 1 else f"every {source.census_every} runs"
    census = f"a census {every}" if source.census_every else "deletions are not seen"
    return f"what is new by {', '.join(source.by)}; {census}"


def _unreadable(source: Unreadable, role: str) -> list[Finding]:
    told = _without(source.shown, source.error)
    if source.is_missing:
        remedy = source.remedy.replace("the role", f'"{role}"')
        return [Finding(source.shown, "missing", told.removesuffix(f"; {source.remedy}"), remedy)]
    return [Finding(source.shown, "failed", told)]


def _without(shown: str, error: SourceError) -> str:
    return str(error).removeprefix(f"{shown}: ")
