"""Reads the secrets that an integration's config only refers to, in the process that needs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from etl_core.errors import Unauthorised
from etl_core.rules.secrets import (
    Reference,
    is_public_name,
    names_a_secret,
    parse_reference,
    passwords_in,
)
from etl_core.secret_box import CannotOpen, open_box
from etl_core.secret_keyring import NotThere, read_keyring
from etl_core.secret_values import remember_secret

_Read = Callable[[Reference, tuple[str, ...], bool], str]
"""Of a reference, the path where it stands, and whether a secret is expected there."""


class Unresolved(Unauthorised):
    """A reference that leads nowhere in this process; in another, on another machine, it may."""

    def __init__(self, message: str, reference: Reference) -> None:
        super().__init__(message)
        self.reference = reference


def resolve_secrets(config: Mapping[str, Any], secret_fields: Collection[str] = ()) -> dict[str, Any]:
    """The config with its references replaced by what they refer to.

    A reference is one anywhere, but for `file:/path`, which is one only in a field that holds a secret by its
    type (`secret_fields`, dotted paths) or by its name: elsewhere it may be the address of a file. What is
    read is remembered as a secret of this process (`etl_core.secret_values`).

    Raises:
        Unresolved: a reference leads nowhere; the message names it, never a value.
        InvalidInput: ETL_SECRET_KEY holds no keys.
    """
    return _replaced(config, secret_fields, _read)


def references_of(config: Mapping[str, Any], secret_fields: Collection[str] = ()) -> list[Reference]:
    """The references that `resolve_secrets` would read, each once."""
    return list(dict.fromkeys(reference for _, reference in places_of(config, secret_fields)))


def places_of(config: Mapping[str, Any], secret_fields: Collection[str] = ()) -> list[tuple[str, Reference]]:
    """The references that `resolve_secrets` would read, each with its dotted path without list positions."""
    found: list[tuple[str, Reference]] = []

    def note(reference: Reference, path: tuple[str, ...], secret: bool) -> str:
        found.append((".".join(path), reference))
        return reference.text

    _replaced(config, secret_fields, note)
    return found


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
    return read(reference, path, secret)


def _read(reference: Reference, path: tuple[str, ...], secret: bool) -> str:
    value = _look_up(reference, ".".join(path))
    # A variable may say where a file lies: hidden, no message could name that file.
    if secret or reference.kind != "env" or names_a_secret(reference.target) or not is_public_name(path[-1]):
        remember_secret(value)
    for password in passwords_in(value):
        remember_secret(password)
    return value


def _look_up(reference: Reference, place: str) -> str:
    named = f"secret {reference.shown}"
    match reference.kind:
        case "env":
            if reference.target not in os.environ:
                raise Unresolved(f"{named}: this variable is not set where the worker runs", reference)
            return os.environ[reference.target]
        case "file":
            try:
                return Path(reference.target).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = f"the worker cannot read it ({type(error).__name__})"
                raise Unresolved(f"{named}: {why}", reference) from None
        case "keyring":
            try:
                return read_keyring(reference.target)
            except NotThere as error:
                raise Unresolved(f"{named}: {error}", reference) from None
        case "encrypted":
            return _decrypt(reference, place)


def _decrypt(reference: Reference, place: str) -> str:
    box = open_box()
    if box is None:
        raise Unresolved(
            f"{place} is encrypted, and ETL_SECRET_KEY is not set where the worker runs", reference
        )
    try:
        return box.open(reference.text)
    except CannotOpen:
        raise Unresolved(
            f"{place} is encrypted, and no key in ETL_SECRET_KEY of the worker opens it", reference
        ) from None
