"""Settings of every process, from the environment or a TOML file.

Precedence: environment (`ETL_*`), then the TOML file (`ETL_CONFIG`, else `etl-tui/config.toml` in the
user's configuration folder, if it is there), then the defaults below. An unknown field in the file is an
error that names it. A context replaces the addresses (etl_core/contexts.py has the precedence).
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from etl_core.contexts import ContextName, ContextSettings, chosen_context, in_context
from etl_core.errors import InvalidInput

ALLOW_TAPS = "taps"
"""In `allow_commands`: the Singer taps that `connectors install` has installed."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


def config_path() -> Path | None:
    """The TOML file that is read, or None.

    Raises:
        InvalidInput: ETL_CONFIG names a file that is not there.
    """
    named = os.environ.get("ETL_CONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise InvalidInput(f"ETL_CONFIG={named}: no such file")
        return path
    path = platformdirs.user_config_path("etl-tui") / "config.toml"
    return path if path.is_file() else None


class Settings(BaseSettings):
    """What a process needs to know before it can ask the database for the rest."""

    model_config = SettingsConfigDict(env_prefix="ETL_", extra="forbid", frozen=True)

    database_url: SecretStr | None = None
    """PostgreSQL 15+; unset: an embedded server in the user's data folder."""
    amqp_url: SecretStr | None = None
    """RabbitMQ 3.10+; unset: the Postgres transport."""
    secret_key: SecretStr | None = None
    """Keys that open the secrets kept encrypted, separated by commas; the first encrypts."""
    allow_commands: Annotated[tuple[str, ...], NoDecode] = ()
    """What command and Singer integrations may run where this process runs, separated by colons: absolute
    paths of programs, folders with a slash at their end (`/opt/etl/bin/`), and `taps` for the Singer taps
    that were installed here."""
    tenant: str | None = None
    """Only this tenant's jobs, where a command or screen shows many."""
    contexts: dict[ContextName, ContextSettings] = {}
    """Named databases; of the file."""
    context: str | None = None
    """The one to work in; of what `load_settings` gives: the one that it chose, or None."""
    read_only: bool = False
    """Change nothing."""
    theme: Literal["auto", "dark", "light", "ansi"] = "auto"
    """The dashboard's colours; `auto`: what the terminal tells of itself."""
    notify: Literal["off", "bell", "desktop"] = "off"
    """How the dashboard tells of a job that begins to fail."""
    keys: dict[str, str] = {}
    """Other keys for commands of the dashboard, by the command's name: `run-now = "R"`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    claim_interval: Seconds = 5
    """How often schedulers and workers look for work unasked, in seconds."""
    heartbeat_interval: Seconds = 2
    """How often a process says that it is alive, in seconds."""
    lease_timeout: Seconds = 10
    """A worker silent for so long by Postgres's clock is lost, in seconds."""
    finished_rest: Seconds = 60
    """How long a job shows FINISHED before it rests at READY, in seconds."""
    keep_days: Annotated[float, Field(ge=1)] = 90
    """How long ended runs are kept, in days; the audit four times as long."""
    keep_versions: Annotated[int, Field(ge=1)] = 200
    """How many versions of each job's checkpoint are kept, none longer than `keep_days`; always the newest,
    the last good one, and the one that the newest run began from."""
    stop_timeout: Seconds = 8
    """How long a stopping worker waits for the batch in hand, in seconds."""

    @field_validator("allow_commands", mode="before")
    @classmethod
    def _separated(cls, given: Any) -> Any:
        return [entry for entry in given.split(":") if entry] if isinstance(given, str) else given

    @field_validator("allow_commands")
    @classmethod
    def _absolute(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            if entry != ALLOW_TAPS and (not entry.startswith("/") or ".." in Path(entry).parts):
                raise ValueError(
                    f"{entry!r}: give absolute paths of programs, of folders with a slash at their end, "
                    f"or {ALLOW_TAPS}"
                )
            if entry.strip("/") == "":
                raise ValueError("/ would allow every program on the machine")
        return entries

    limit_patience: Seconds = 60
    """How long a call waits in its worker's hands for a source's rate limit, in seconds; longer, its run is
    parked, and the slot is free."""

    @model_validator(mode="after")
    def _heard_within_lease(self) -> Self:
        if self.heartbeat_interval >= self.lease_timeout:
            raise ValueError(
                f"heartbeat_interval ({self.heartbeat_interval:g} s) must be shorter than lease_timeout "
                f"({self.lease_timeout:g} s), or every worker is taken for lost"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the TOML file; no `.env` files."""
        path = config_path()
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if path is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, path))
        return tuple(sources)


def load_settings(*, context: str | None = None, **overrides: Any) -> Settings:
    """The settings of this process, in the context that they name (`context` before all others).

    With a `database_url` among the overrides no context is chosen.

    Raises:
        InvalidInput: naming the field and the value that cannot be read, or the unknown field of the file;
            or there is no such context.
    """
    settings = _read_settings(overrides)
    name = None if "database_url" in overrides else chosen_context(settings, context)
    if name is None:
        return settings.model_copy(update={"context": None}) if settings.context is not None else settings
    return in_context(settings, name)


def _read_settings(overrides: dict[str, Any]) -> Settings:
    from etl_core.validation_text import describe

    try:
        return Settings(**overrides)
    except ValidationError as error:
        where = config_path()
        raise InvalidInput(f"settings{f' ({where})' if where else ''}: {describe(error)}") from None
    except ValueError as error:  # a TOML file that does not parse
        raise InvalidInput(f"settings ({config_path()}): {error}") from None


@cache
def data_dir() -> Path:
    """Where this machine keeps our embedded databases.

    As root that is a folder made for it: the embedded server opens every parent folder of its data to its
    own user, so it must never be HOME.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/etl-tui")
    return platformdirs.user_data_path("etl-tui")
