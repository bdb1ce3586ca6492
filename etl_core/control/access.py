"""Whether this connection may change anything, and in one look how the jobs of a database stand."""

from __future__ import annotations

from dataclasses import dataclass

from etl_core.store.database import Connection
from etl_core.store.queries import load

_access = load("access")


@dataclass(frozen=True, slots=True)
class Standing:
    """How many jobs there are, and how many of them failed or run."""

    jobs: int
    failed: int
    running: int


async def read_refusal(conn: Connection) -> str | None:
    """Why nothing can be changed on this connection, in a line; None when it can."""
    row = await _access.read_access(conn)
    if row["is_standby"]:
        return "read-only: the server is a standby"
    if row["is_read_only"]:
        return "read-only: the server lets this session change nothing (default_transaction_read_only)"
    if not row["may_write"]:
        return f"read-only: the role {row['role']} may not write"
    return None


async def read_standing(conn: Connection, tenant: str | None = None) -> Standing:
    """How the jobs stand, of all tenants or of one."""
    return Standing(**dict(await _access.read_standing(conn, tenant=tenant)))
