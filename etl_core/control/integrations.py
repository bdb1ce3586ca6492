"""Integrations: the external systems of a tenant. Each action is one transaction and leaves an event."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

from etl_core.connectors_registry import check_config, default_max_runs
from etl_core.control.audit import Actor, record_event
from etl_core.control.pauses import check_limit
from etl_core.control.secret_fields import protect_secrets
from etl_core.control.tenants import find_tenant
from etl_core.errors import Conflict, InvalidInput, NotFound
from etl_core.models.tenant import IntegrationRow
from etl_core.rules.names import clean_name
from etl_core.store.database import Connection
from etl_core.store.queries import load

_integrations = load("integrations")


async def list_integrations(conn: Connection, *, tenant: str | None = None) -> list[IntegrationRow]:
    """Every integration, or one tenant's, sorted by tenant and name.

    Raises:
        NotFound: no such tenant.
    """
    if tenant is not None:
        await find_tenant(conn, tenant)
    return [
        IntegrationRow.model_validate(dict(row))
        async for row in _integrations.list_integrations(conn, tenant=tenant)
    ]


async def add_integration(
    conn: Connection,
    *,
    tenant: str,
    name: str,
    integration_type: str,
    config: dict[str, Any],
    actor: Actor,
    max_runs: int | EllipsisType | None = ...,
    seen_by_others: bool = True,
) -> IntegrationRow:
    """A new integration of a tenant, its configuration checked by its connector's model.

    `max_runs` is how many runs it may have at once, None for no limit; not given, its connector decides.
    `seen_by_others`: as `protect_secrets`.

    Raises:
        InvalidInput: the name, the type, an unknown or wrong field, a secret in clear (never told), a limit.
        NotFound: no such tenant. Conflict: the tenant has an integration of this name.
    """
    try:
        name = clean_name(name, "integration")
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    # First: a model's own message may repeat a value.
    config = protect_secrets(integration_type, config, seen_by_others=seen_by_others)
    config = check_config(integration_type, config)
    if isinstance(max_runs, EllipsisType):
        max_runs = default_max_runs(integration_type)
    check_limit(max_runs)
    async with conn.transaction():
        owner = await find_tenant(conn, tenant)
        integration_id = await _integrations.add_integration(
            conn,
            tenant_id=owner.id,
            integration_name=name,
            integration_type=integration_type,
            config=config,
            max_runs=max_runs,
        )
        if integration_id is None:
            raise Conflict(
                f"{owner.name} already has an integration {name!r}; `etl-tui integrations list` shows it"
            )
        await record_event(
            conn,
            "add_integration",
            actor,
            tenant_id=owner.id,
            integration=name,
            type=integration_type,
            config=config,
            max_runs=max_runs,
        )
        row = await _integrations.integration_by_id(conn, integration_id=integration_id)
    return IntegrationRow.model_validate(dict(row))


async def change_config(
    conn: Connection,
    *,
    tenant: str,
    name: str,
    config: dict[str, Any],
    actor: Actor,
    seen_by_others: bool = True,
) -> IntegrationRow:
    """Gives an integration another configuration; runs that have begun go on with the old one.

    `seen_by_others`: as `protect_secrets`.

    Raises:
        NotFound: no such tenant or integration. InvalidInput: an unknown or wrong field, a secret in clear.
    """
    found = [row for row in await list_integrations(conn, tenant=tenant) if row.name == name]
    if not found:
        raise NotFound(f"{tenant} has no integration {name!r}; `etl-tui integrations list` shows all")
    config = protect_secrets(found[0].type, config, seen_by_others=seen_by_others)
    config = check_config(found[0].type, config)
    async with conn.transaction():
        await _integrations.change_config(conn, tenant=tenant, integration_name=name, config=config)
        await record_event(
            conn,
            "change_config",
            actor,
            integration=name,
            tenant=tenant,
            before=found[0].config,
            after=config,
        )
        row = await _integrations.integration_by_id(conn, integration_id=found[0].id)
    return IntegrationRow.model_validate(dict(row))
