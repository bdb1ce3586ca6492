"""Tenants: who owns data. Each action is one transaction and leaves an event."""

from __future__ import annotations

from etl_core.control.audit import Actor, record_event
from etl_core.control.jobs import list_jobs
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.models.job import JobRow
from etl_core.models.tenant import TenantRow
from etl_core.rules.names import clean_name
from etl_core.store.database import Connection
from etl_core.store.queries import load

_tenants = load("tenants")


async def list_tenants(conn: Connection) -> list[TenantRow]:
    """Every tenant, sorted by name."""
    return [TenantRow.model_validate(dict(row)) async for row in _tenants.list_tenants(conn)]


async def find_tenant(conn: Connection, name: str) -> TenantRow:
    """The tenant of this name.

    Raises:
        NotFound: there is none.
    """
    row = await _tenants.tenant_by_name(conn, name=name)
    if row is None:
        raise NotFound(f"no tenant {name!r}; `etl-tui tenants list` shows all, `tenants add` makes one")
    return TenantRow.model_validate(dict(row))


async def add_tenant(conn: Connection, name: str, actor: Actor) -> tuple[TenantRow, list[JobRow]]:
    """A new tenant, and the four jobs that the schema seeds for each (Jira, GitHub, Fabric, AD).

    Raises:
        InvalidInput: no tenant can be called so. Conflict: one is.
    """
    try:
        name = clean_name(name, "tenant")
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    async with conn.transaction():
        tenant_id = await _tenants.add_tenant(conn, name=name)
        if tenant_id is None:
            raise Conflict(f"there already is a tenant {name!r}; `etl-tui jobs list --tenant` shows its jobs")
        await record_event(conn, "add_tenant", actor, tenant_id=tenant_id, name=name)
        return await find_tenant(conn, name), await list_jobs(conn, tenant=name)
