"""How an integration's rows are loaded: what becomes of new fields, and into which database."""

from __future__ import annotations

from types import EllipsisType

import asyncpg

from etl_core.control.audit import Actor, record_event
from etl_core.control.integrations import list_integrations
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.models.tenant import IntegrationRow
from etl_core.store.database import Connection
from etl_core.store.queries import load

_integrations = load("integrations")

SCHEMA_MODES = ("evolve", "freeze", "quarantine")


async def change_loading(
    conn: Connection,
    *,
    tenant: str,
    name: str,
    actor: Actor,
    schema_mode: str | None = None,
    destination_url: str | EllipsisType | None = ...,
) -> IntegrationRow:
    """What is not given stays; a `destination_url` of None is the state's own database again.

    Raises:
        NotFound: no such tenant or integration. InvalidInput: an unknown mode, a URL with a password in it.
        Conflict: its rows are in one database already, and another is named.
    """
    found = [row for row in await list_integrations(conn, tenant=tenant) if row.name == name]
    if not found:
        raise NotFound(f"{tenant} has no integration {name!r}; `etl-tui integrations list` shows all")
    before = found[0]
    mode = schema_mode or before.schema_mode
    if mode not in SCHEMA_MODES:
        raise InvalidInput(f"schema mode {mode!r}: one of {', '.join(SCHEMA_MODES)}")
    url = before.destination_url if isinstance(destination_url, EllipsisType) else destination_url
    if url != before.destination_url and await _integrations.has_tables(conn, integration_id=before.id):
        raise Conflict(
            f"{tenant}/{name} has rows where it loads now, and its checkpoints go on behind them: make "
            "another integration for the other database, or drop its tables and clear the checkpoints of its "
            "jobs first"
        )
    try:
        async with conn.transaction():
            await _integrations.change_loading(
                conn, integration_id=before.id, schema_mode=mode, destination_url=url
            )
            await record_event(
                conn,
                "change_loading",
                actor,
                integration=name,
                tenant=tenant,
                before={"schema_mode": before.schema_mode, "destination_url": before.destination_url},
                after={"schema_mode": mode, "destination_url": url},
            )
            row = await _integrations.integration_by_id(conn, integration_id=before.id)
    except asyncpg.CheckViolationError:
        raise InvalidInput(
            "destination: env:NAME or file:/path that holds a PostgreSQL URL, or a URL without a password"
        ) from None
    return IntegrationRow.model_validate(dict(row))
