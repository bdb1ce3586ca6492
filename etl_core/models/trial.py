"""What `integrations test` finds."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from etl_core.connector import Finding


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    """Something failed or is missing, or could not be tried from here."""
    UNREACHABLE = "unreachable"
    """The source did not answer, or asked to come back later: another time it may be different."""


class IntegrationTrial(BaseModel):
    """How an integration's connector fares in the process that tried it, which is no worker."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    integration: str
    type: str
    host: str
    """Where it was tried."""
    secrets: list[str]
    """The references in its configuration, such as `env:GH_TOKEN` or `encrypted`, as read on `host`."""
    outcome: Outcome
    findings: list[Finding]
