"""Reads the secrets that an integration's config only refers to, in the process that needs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from etl_core.errors import Unauthorised
from etl_core.rules.secrets import Reference, names_a_secret, parse_reference
from etl_core.secret_values import remember_secret

_Read = Callable[[Reference], str]


class Unresolved(Unauthorised):
    """A reference that leads nowhere in this process; in another, on another machine, it may."""

    def __init__(self, message: str, reference: Reference) -> None:
        super().__init__(message)
        self.reference = reference


def resolve_secrets(config: Mapping[str, Any], secret_fields: Collection[str] = ()) -> dict[str, Any]:
    """The config with its references replaced by what they refer to.

    `env:NAME` is a reference anywhere. `file:/path` is one only in a field that holds a secret by its type
    (`secret_fields`, dotted paths) or by its name: elsewhere it may be the address of a file.

    Raises:
        Unresolved: a reference leads nowhere; the message names it, never a value.
    """
    return _replaced(config, secret_fields, _read)


def references_of(config: Mapping[str, Any], secret_fields: Collection[str] = ()) -> list[str]:
    """The references that `resolve_secrets` would read, as they are written, each once."""
    found: list[str] = []

    def note(reference: Reference) -> str:
        found.append(f"{reference.kind}:{reference.target}")
        return found[-1]

    _replaced(config, secret_fields, note)
    return list(dict.fromkeys(found))


def _replaced(config: Mapping[str, Any], secret_fields: Collection[str], read: _Read) -> dict[str, Any]:
    return {
        name: _resolve(value, (name,), secret_fields, names_a_secret(name), read)
        for name, value in config.items()
    }


def _resolve(
    value: Any, path: tuple[str, ...], secret_fields: Collection[str], secret: bool, read: _Read
) -> Any:
    secret = secret or ".".join(path) in secret_fields
    if isinstance(value, Mapping):
        return {
            name: _resolve(inner, (*path, name), secret_fields, secret or names_a_secret(name), read)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_resolve(item, path, secret_fields, secret, read) for item in value]
    reference = parse_reference(value) if isinstance(value, str) else None
    if reference is None or (reference.kind == "file" and not secret):
        return value
    return read(reference)


def _read(reference: Reference) -> str:
    value = _look_up(reference)
    remember_secret(value)
    return value


def _look_up(reference: Reference) -> str:
    named = f"secret {reference.kind}:{reference.target}"
    if reference.kind == "env":
        if reference.target not in os.environ:
            raise Unresolved(f"{named}: this variable is not set where the worker runs", reference)
        return os.environ[reference.target]
    try:
        return Path(reference.target).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unresolved(f"{named}: the worker cannot read it ({type(error).__name__})", reference) from None
