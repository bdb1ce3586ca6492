"""Where a pause, a limit or a window applies: everything, a tenant, an integration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from etl_core.errors import InvalidInput, NotFound
from etl_core.store.database import Connection
from etl_core.store.queries import load

_pauses = load("pauses")


@dataclass(frozen=True, slots=True)
class Place:
    """All (both None), a tenant, or an integration of a tenant, by name."""

    tenant: str | None = None
    integration: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`all`, `TENANT` or `TENANT/INTEGRATION`.

        Raises:
            InvalidInput: an empty part.
        """
        if text == "all":
            return cls()
        tenant, slash, integration = text.partition("/")
        if not tenant or (slash and not integration):
            raise InvalidInput(f"{text!r} is no place: write all, TENANT or TENANT/INTEGRATION")
        return cls(tenant, integration or None)

    def __str__(self) -> str:
        if self.tenant is None:
            return "all"
        return f"{self.tenant}/{self.integration}" if self.integration else self.tenant


async def find_place(conn: Connection, place: Place) -> tuple[int | None, int | None]:
    """(tenant_id, integration_id), null where the place is wider.

    Raises:
        NotFound: no such tenant or integration.
    """
    row = await _pauses.place(conn, tenant=place.tenant, integration=place.integration)
    if place.tenant and row["tenant_id"] is None:
        raise NotFound(f"no tenant {place.tenant!r}; `etl-tui tenants list` shows all")
    if place.integration and row["integration_id"] is None:
        raise NotFound(
            f"{place.tenant} has no integration {place.integration!r}; `etl-tui integrations list` shows all"
        )
    return row["tenant_id"], row["integration_id"]
