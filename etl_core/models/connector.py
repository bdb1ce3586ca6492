"""What `connectors list` prints."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ConnectorRow(BaseModel):
    """An integration type that is installed where this was asked."""

    model_config = ConfigDict(frozen=True)

    type: str
    package: str | None = None
    """The installed package that brings it; None if its entry point does not tell."""
    version: str | None = None
    """Of that package."""
    default_max_runs: int | None = None
    """Runs at once of a new integration; None: no limit."""
    summary: str = ""
    """One line of what it reads."""
    streams: tuple[str, ...] = ()
    """Empty where they depend on the configuration."""
    tap: str | None = None
    """Of type singer, a tap that is installed here; None: the connector itself."""
    licence: str | None = None
    """Of a tap, which is somebody else's program."""
    error: str | None = None
    """Why it cannot be loaded, in one line; the fields before are then empty."""
