"""Named databases of the settings file: `[contexts.prod]`, and which of them this process works in.

Precedence, the first that is there: `--context`, `ETL_CONTEXT`, `ETL_DATABASE_URL`, `context` of the file,
`database_url` of the file, the embedded server. A context that was chosen brings its broker along: without
`amqp_url` there is none, whatever `ETL_AMQP_URL` says, for rings must not go to another database's workers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from etl_core.errors import Conflict, InvalidInput
from etl_core.redact import redact_url
from etl_core.rules.secrets import Reference, parse_reference

if TYPE_CHECKING:
    from etl_core.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")

ContextColour = Literal["red", "yellow", "green", "blue", "magenta", "cyan"]


def _named_well(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: letters, digits, `.`, `_` and `-`, at most 32")
    return name


ContextName = Annotated[str, AfterValidator(_named_well)]


class ContextSettings(BaseModel):
    """One `[contexts.NAME]` of the file. Addresses may be references: `env:NAME`, `file:/path`,
    `keyring:SERVICE/NAME`; only those of the context that is used are looked up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database_url: SecretStr | None = None
    """None: the embedded server of this user."""
    amqp_url: SecretStr | None = None
    tenant: str | None = None
    colour: ContextColour | None = None
    """Of its mark in the header; None: red for production, else none."""
    production: bool = False
    """Marked wherever it is shown; what changes many jobs at once asks for its name."""
    read_only: bool = False
    """Nothing can be changed in it from here."""

    @property
    def shown_address(self) -> str:
        """Where its database is, for people: a reference as it stands, a URL without its password."""
        if self.database_url is None:
            return "embedded"
        text = self.database_url.get_secret_value()
        return text if parse_reference(text) else redact_url(text)


def chosen_context(
    settings: Settings, named: str | None, environ: Mapping[str, str] = os.environ
) -> str | None:
    """The name of the context to work in, by the precedence above; None: the plain settings.

    Args:
        named: what `--context` says.
    """
    given = {name.upper(): value for name, value in environ.items() if name.upper().startswith("ETL_")}
    if named or given.get("ETL_CONTEXT"):
        return named or given["ETL_CONTEXT"]
    return None if given.get("ETL_DATABASE_URL") else settings.context or None


def find_context(settings: Settings, name: str) -> ContextSettings:
    """The context of that name.

    Raises:
        InvalidInput: there is none; names those that there are.
    """
    found = settings.contexts.get(name)
    if found is None:
        there = ", ".join(settings.contexts) or "none: the settings file has no [contexts.NAME]"
        raise InvalidInput(f"there is no context {name!r}; there are: {there}")
    return found


def in_context(settings: Settings, name: str) -> Settings:
    """The settings as they are in this context.

    Raises:
        InvalidInput: there is none of that name, or an address refers to what is not there.
    """
    context = find_context(settings, name)
    return settings.model_copy(
        update={
            "context": name,
            "database_url": _address(name, "database_url", context.database_url),
            "amqp_url": _address(name, "amqp_url", context.amqp_url),
            "tenant": context.tenant or settings.tenant,
            "read_only": settings.read_only or context.read_only,
        }
    )


def why_read_only(settings: Settings) -> str | None:
    """Why nothing may be changed, as far as the settings know; None when it may."""
    if not settings.read_only:
        return None
    name = settings.context
    if name is not None and settings.contexts[name].read_only:
        return f"read-only: the context {name} is"
    return "read-only: started so (--read-only, ETL_READ_ONLY)"


def refuse_read_only(settings: Settings, program: str) -> None:
    """Raises Conflict where a program that only changes things was told to change nothing."""
    if refusal := why_read_only(settings):
        raise Conflict(f"{refusal}; {program} cannot run there")


def _address(context: str, field: str, given: SecretStr | None) -> SecretStr | None:
    if given is None:
        return None
    reference = parse_reference(given.get_secret_value())
    if reference is None:
        return given
    return SecretStr(_look_up(reference, f"context {context}: {field} = {reference.shown}"))


def _look_up(reference: Reference, place: str) -> str:
    match reference.kind:
        case "env":
            if not (value := os.environ.get(reference.target)):
                raise InvalidInput(f"{place}: this variable is not set")
            return value
        case "file":
            try:
                return Path(reference.target).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidInput(f"{place}: cannot be read ({type(error).__name__})") from None
        case "keyring":
            from etl_core.secret_keyring import NotThere, read_keyring

            try:
                return read_keyring(reference.target)
            except NotThere as error:
                raise InvalidInput(f"{place}: {error}") from None
        case "encrypted":
            raise InvalidInput(f"{place}: an address is kept as env:, file: or keyring:, not encrypted")
