"""What integrations keep encrypted, and under which key: shown, and brought under the newest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl_core.connectors_registry import find_connector
from etl_core.control.audit import Actor, record_event
from etl_core.control.integrations import list_integrations
from etl_core.control.secret_fields import secret_fields
from etl_core.errors import Conflict, InvalidInput
from etl_core.models.secret import Rotation, SecretRow
from etl_core.rules.secrets import Reference, parse_reference
from etl_core.secret_box import CannotOpen, SecretBox, open_box
from etl_core.secret_references import places_of
from etl_core.store.database import Connection
from etl_core.store.queries import load

_integrations = load("integrations")


async def list_secrets(conn: Connection, *, tenant: str | None = None) -> list[SecretRow]:
    """Where each secret of each integration is kept, never a value.

    Raises:
        NotFound: no such tenant. InvalidInput: ETL_SECRET_KEY holds no keys.
    """
    box = open_box()
    return [
        SecretRow(
            tenant=row.tenant,
            integration=row.name,
            field=field,
            kept=reference.shown,
            key=_key_of(reference, box),
        )
        for row in await list_integrations(conn, tenant=tenant)
        for field, reference in places_of(row.config, _fields(row.type))
    ]


async def rotate_secrets(conn: Connection, *, actor: Actor) -> Rotation:
    """Brings everything that is encrypted under the first key, in one transaction.

    Raises:
        InvalidInput: there is no ETL_SECRET_KEY, or it holds no keys.
        Conflict: nothing was changed, for no key opens some; names their integrations.
    """
    box = open_box()
    if box is None:
        raise InvalidInput("ETL_SECRET_KEY is not set; `etl-tui secrets key` makes a key")
    renewed, integrations, closed = 0, 0, []
    async with conn.transaction():
        await _integrations.lock_configs(conn)
        for row in await list_integrations(conn):
            try:
                config, count = _renewed(row.config, box)
            except CannotOpen:
                closed.append(f"{row.tenant}/{row.name}")
                continue
            if count:
                await _integrations.change_config(
                    conn, tenant=row.tenant, integration_name=row.name, config=config
                )
                renewed, integrations = renewed + count, integrations + 1
        if closed:
            raise Conflict(
                f"nothing was changed: no key in ETL_SECRET_KEY opens the secrets of {', '.join(closed)}; "
                "add the key that they are under, or give these integrations their secrets anew"
            )
        if renewed:
            await record_event(conn, "rotate_secrets", actor, secrets=renewed, integrations=integrations)
    return Rotation(secrets=renewed, integrations=integrations)


def _fields(integration_type: str) -> frozenset[str]:
    try:
        return secret_fields(find_connector(integration_type).Config)
    except InvalidInput:  # its package is not installed here: what names itself a secret is still found
        return frozenset()


def _key_of(reference: Reference, box: SecretBox | None) -> int | None:
    if reference.kind != "encrypted" or box is None:
        return None
    try:
        return box.key_of(reference.text) + 1
    except CannotOpen:
        return None


def _renewed(config: Mapping[str, Any], box: SecretBox) -> tuple[dict[str, Any], int]:
    """The config with what is encrypted under another key than the first brought under that, and how many.

    Raises: CannotOpen."""
    count = 0

    def walk(value: Any) -> Any:
        nonlocal count
        if isinstance(value, Mapping):
            return {name: walk(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner) for inner in value]
        reference = parse_reference(value) if isinstance(value, str) else None
        if reference is None or reference.kind != "encrypted" or box.key_of(value) == 0:
            return value
        count += 1
        return box.renew(value)

    return walk(config), count
