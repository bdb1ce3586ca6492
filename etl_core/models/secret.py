"""Where secrets are kept, as the command line tells it. No model here has room for a value."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SecretRow(BaseModel):
    """One field of one integration that a secret is read for."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    integration: str
    field: str
    """Dotted path in its configuration, without list positions."""
    kept: str
    """`env:NAME`, `file:/path`, `keyring:SERVICE/NAME`, or `encrypted`."""
    key: int | None
    """Which key of ETL_SECRET_KEY opens it, 1 for the first; None: none of ours, or it is not encrypted."""


class Rotation(BaseModel):
    """What `secrets rotate` brought under the first key."""

    model_config = ConfigDict(frozen=True)

    secrets: int
    integrations: int
