"""Who owns data, and the external systems that are configured for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class TenantRow(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    name: str
    active: bool
    jobs: int
    integrations: int
    created_at: datetime | None


class IntegrationRow(BaseModel):
    """An integration; `config` holds secrets only as references (`env:NAME`, ...) or encrypted."""

    model_config = ConfigDict(frozen=True)

    id: int
    tenant: str
    name: str
    type: str
    active: bool
    config: dict[str, Any]
    max_runs: int | None
    """Runs at once; None: no limit."""
    jobs: int
    schema_mode: str = "evolve"
    """What becomes of new fields: `evolve` takes them, `freeze` leaves them out, `quarantine` keeps their
    records back."""
    destination_url: str | None = None
    """Another PostgreSQL that its rows go to, by reference or without a password; None: the state's own."""
    ready_at: datetime | None
    wait_reason: str | None
