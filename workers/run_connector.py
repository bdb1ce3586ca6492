"""The connector of a run or of a batch, configured for the stage that needs it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from etl_core.connector import Connector
from etl_core.connectors_registry import find_connector
from etl_core.control.secret_fields import secret_fields
from etl_core.errors import InvalidInput, Permanent
from etl_core.secret_references import resolve_secrets
from etl_core.validation_text import describe
from workers.connector_calls import build


def connector_for(
    integration_type: str | None, config: dict[str, Any] | None, *, named: str, job: str, with_secrets: bool
) -> Connector:
    """A connector for the configuration of integration `named`.

    Args:
        with_secrets: extract needs them. A stage behind it only transforms, and may run where they are not.

    Raises:
        Permanent: there is no integration, its type is not installed, or its configuration is wrong.
        Unauthorised: a secret is not where the configuration says. SourceError: the connector broke.
    """
    if integration_type is None or config is None:
        raise Permanent(f"{job} has no integration; `etl-tui jobs settings` gives it one")
    try:
        kind = find_connector(integration_type)
        resolved = resolve_secrets(config, _secrets_of(kind.Config)) if with_secrets else config
        checked = kind.Config.model_validate(resolved)
    except ValidationError as error:
        raise Permanent(f"config of integration {named}: {describe(error)}") from None
    except InvalidInput as error:
        raise Permanent(str(error)) from None
    return build(kind, checked)


@lru_cache(maxsize=64)
def _secrets_of(config: type[BaseModel]) -> frozenset[str]:
    return frozenset(secret_fields(config))
