"""What a command integration can be told; nothing here touches the machine."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from etl_core.connector import ColumnType
from etl_core.rules.secrets import is_public_name, names_a_secret, parse_reference
from workers.connectors.command.exit_codes import ExitCodes
from workers.subprocesses.environment import why_not_settable

_SECRET_PARTS = ("passw", "secret", "token", "apikey", "api_key")
CHECKPOINT_VARIABLE = "ETL_CHECKPOINT"
TRIAL_VARIABLE = "ETL_TRIAL"


class StreamConfig(BaseModel):
    """One kind of row that the command prints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: tuple[str, ...] = Field(default=(), description="fields that identify a row; none: append only")
    columns: dict[str, ColumnType] = Field(default={}, description="declared types; the rest is inferred")


class CommandConfig(BaseModel):
    """What runs where the worker runs, if the worker allows it (ETL_ALLOW_COMMANDS)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    argv: tuple[str, ...] = Field(
        min_length=1, description="the program and its arguments; no shell reads them"
    )
    environment: dict[str, str] = Field(
        default={}, description="variables beside PATH, HOME, LANG, TZ and such"
    )
    secrets: dict[str, SecretStr] = Field(default={}, description="variables that are secret: references")
    directory: str | None = Field(
        default=None, description="where it runs; default: an empty folder of its own"
    )
    time_limit_s: float = Field(default=3_600, gt=0, le=7 * 86_400, description="seconds")
    memory_mb: int = Field(default=1_024, ge=0, le=1 << 20, description="of all its processes; 0: no limit")
    streams: dict[str, StreamConfig] = Field(
        default={}, description="what it prints on stdout, as JSON lines; none: stdout is log, too"
    )
    exit_codes: ExitCodes = ExitCodes()

    @field_validator("argv")
    @classmethod
    def _without_secrets(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if not argv[0] or any("\0" in argument for argument in argv):
            raise ValueError("a program has a name, and an argument no NUL character")
        for place, argument in enumerate(argv):
            reference = parse_reference(argument)
            if reference is not None and reference.kind != "file":  # which may be a URL of a local file
                raise ValueError(
                    f"argument {place} is a secret, and everybody on the machine can read arguments: "
                    "name it in `secrets`, and the command finds it in its environment"
                )
        return argv

    @field_validator("directory")
    @classmethod
    def _absolute(cls, directory: str | None) -> str | None:
        if directory is not None and (not directory.startswith("/") or "\0" in directory):
            raise ValueError("give an absolute path: workers do not share your working directory")
        return directory

    @model_validator(mode="after")
    def _settable(self) -> Self:
        if problem := why_not_settable({**self.environment, **self.secrets}):
            raise ValueError(problem)
        if twice := self.environment.keys() & self.secrets.keys():
            raise ValueError(f"{min(twice)} is in `environment` and in `secrets`")
        if any("\0" in value for value in self.environment.values()):
            raise ValueError("environment: a value cannot hold a NUL character")
        for name in self.environment:
            named = names_a_secret(name) or any(part in name.lower() for part in _SECRET_PARTS)
            if named and not is_public_name(name):
                raise ValueError(f"{name} is a secret by its name: it belongs into `secrets`, as a reference")
        return self

    @field_validator("streams")
    @classmethod
    def _named(cls, streams: dict[str, StreamConfig]) -> dict[str, StreamConfig]:
        if "" in streams:
            raise ValueError("a stream has a name")
        return streams
