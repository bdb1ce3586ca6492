"""Refuses a configuration that holds a secret itself: the database keeps references to secrets only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, SecretBytes, SecretStr

from etl_core.connectors_registry import find_connector
from etl_core.errors import InvalidInput
from etl_core.rules.secrets import secrets_in_clear


def refuse_secrets_in_clear(integration_type: str, config: Mapping[str, Any]) -> None:
    """Checks the fields that the connector types as secret, those whose name says so, URLs and token shapes.

    Raises:
        InvalidInput: naming each place and never a value, or no such integration type.
    """
    found = secrets_in_clear(config, secret_fields(find_connector(integration_type).Config))
    if found:
        places = ", ".join(f"{place.path} ({place.because})" for place in found)
        raise InvalidInput(
            f"config of type {integration_type}: in clear: {places}; give a reference, env:NAME or file:/path"
        )


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """Dotted paths of a model's fields that are typed SecretStr or SecretBytes, nested models included.

    Fields are named as the configuration names them (by alias where there is one).
    """
    return frozenset(_paths(model, (), frozenset()))


def _paths(model: type[BaseModel], path: tuple[str, ...], inside: frozenset[type]) -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        for shown in {name, field.alias or name}:
            here = (*path, shown)
            for kind in _types_within(field.annotation):
                if issubclass(kind, SecretStr | SecretBytes):
                    found.append(".".join(here))
                elif issubclass(kind, BaseModel) and kind not in inside:
                    found += _paths(kind, here, inside | {kind})
    return found


def _types_within(annotation: Any) -> list[type]:
    """The classes of an annotation: `list[SecretStr] | None` -> list, SecretStr, NoneType."""
    inner = get_args(annotation)
    if inner:
        return [kind for part in inner for kind in _types_within(part)]
    return [annotation] if isinstance(annotation, type) else []
