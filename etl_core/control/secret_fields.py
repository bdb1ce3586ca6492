"""No configuration holds a secret in clear: it is encrypted where there is a key, and refused elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, SecretBytes, SecretStr

from etl_core.connectors_registry import find_connector
from etl_core.errors import InvalidInput
from etl_core.rules.secrets import seal_secrets, secrets_in_clear
from etl_core.secret_box import open_box
from etl_core.secret_values import remember_secret


def protect_secrets(
    integration_type: str, config: Mapping[str, Any], *, seen_by_others: bool = False
) -> dict[str, Any]:
    """The configuration as it may be stored: a secret in a field for secrets becomes `encrypted:...`.

    Only with ETL_SECRET_KEY; without it, and elsewhere in the configuration, a secret in clear is refused.

    Args:
        seen_by_others: it was given on a command line, which everyone on the machine can read: what is in
            clear there is refused, key or not.

    Raises:
        InvalidInput: naming each place and never a value; no such type; no key in ETL_SECRET_KEY.
    """
    fields = secret_fields(find_connector(integration_type).Config)
    box = open_box()
    if seen_by_others or box is None:
        refuse_secrets_in_clear(integration_type, config, has_key=box is not None)
        return dict(config)

    def seal(secret: str) -> str:
        remember_secret(secret)
        return box.seal(secret)

    protected = seal_secrets(config, fields, seal)
    refuse_secrets_in_clear(integration_type, protected, has_key=True)
    return protected


def refuse_secrets_in_clear(
    integration_type: str, config: Mapping[str, Any], *, has_key: bool = False
) -> None:
    """Checks the fields that the connector types as secret, those whose name says so, URLs and token shapes.

    Raises:
        InvalidInput: naming each place and never a value, or no such integration type.
    """
    found = secrets_in_clear(config, secret_fields(find_connector(integration_type).Config))
    if found:
        places = ", ".join(f"{place.path} ({place.because})" for place in found)
        otherwise = (
            "or give the configuration as @FILE, to be kept encrypted: a command line is seen by others"
            if has_key
            else "or set ETL_SECRET_KEY, and it is kept encrypted (docs/secrets.md)"
        )
        raise InvalidInput(
            f"config of type {integration_type}: in clear: {places}; give a reference, env:NAME, file:/path "
            f"or keyring:SERVICE/NAME, {otherwise}"
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
