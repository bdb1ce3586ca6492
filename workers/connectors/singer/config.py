"""What a Singer integration can be told; the tap's own settings are the tap's to check."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from etl_core.taps import NAME
from workers.subprocesses.environment import why_not_settable


class StreamSettings(BaseModel):
    """What is known better than the tap says it of one of its streams."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: tuple[str, ...] | None = Field(
        default=None, description="in place of the tap's key; []: append only"
    )
    replication_method: Literal["FULL_TABLE", "INCREMENTAL", "LOG_BASED"] | None = None
    replication_key: str | None = None


class SingerConfig(BaseModel):
    """A tap that is installed on the workers (`connectors install`), or a program that they allow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tap: str = Field(description="name of an installed tap, or absolute path of a program")
    config: dict[str, Any] = Field(default={}, description="the tap's settings; secrets as references")
    secrets: dict[str, SecretStr] = Field(default={}, description="settings of the tap that are secret")
    select: tuple[str, ...] = Field(
        default=(), description="streams and fields: orders, orders.*, !orders.notes; default: all"
    )
    streams: dict[str, StreamSettings] = Field(default={}, description="stream -> what the tap says wrong")
    catalog: dict[str, Any] | None = Field(
        default=None, description="a whole catalog; default: the tap is asked in each run"
    )
    environment: dict[str, str] = Field(default={}, description="variables beside PATH, HOME, LANG, TZ, ...")
    time_limit_s: float = Field(default=4 * 3_600, gt=0, le=7 * 86_400, description="seconds")
    memory_mb: int = Field(default=1_024, ge=0, le=1 << 20, description="of all its processes; 0: no limit")

    @field_validator("tap")
    @classmethod
    def _named(cls, tap: str) -> str:
        if not tap.startswith("/") and not NAME.fullmatch(tap):
            raise ValueError("give the name of an installed tap (tap-spreadsheets), or the path of a program")
        if "\0" in tap:
            raise ValueError("a path cannot hold a NUL character")
        return tap

    @field_validator("catalog")
    @classmethod
    def _whole(cls, catalog: dict[str, Any] | None) -> dict[str, Any] | None:
        if catalog is not None and not isinstance(catalog.get("streams"), list):
            raise ValueError("a catalog has a list `streams`, as `TAP --discover` prints it")
        return catalog

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if twice := self.config.keys() & self.secrets.keys():
            raise ValueError(f"{min(twice)} is in `config` and in `secrets`")
        if problem := why_not_settable(self.environment):
            raise ValueError(problem)
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """All of the tap's settings, secrets in clear: for its config file alone."""
        return {**self.config, **{name: secret.get_secret_value() for name, secret in self.secrets.items()}}
