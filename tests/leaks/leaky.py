"""A connector of somebody else, who never heard of secrets, and its installation."""

from __future__ import annotations

from pathlib import Path

from etl_core import connectors_registry

HOWS = (
    "init",
    "validator",
    "discover",
    "raise",
    "group",
    "source error",
    "rate limit",
    "transient",
    "page",
    "bad record",
    "transform",
    "not json",
    "logs",
)
"""`Config.how`: where it tells its secrets."""

SOURCE = '''
"""Tells its secrets in every way there is."""
import asyncio
import logging
import warnings
from datetime import timedelta

import structlog
from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from etl_core.connector import Column, ColumnType, Finding, Fragment, Page, PartitionFailure, Reject, Stream
from etl_core.errors import BadRecord, Permanent, RateLimited, Transient


class Account(BaseModel):
    name: str
    password: SecretStr


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")
    how: str = "raise"
    token: SecretStr
    accounts: list[Account] = []
    api_key: str = ""

    @model_validator(mode="after")
    def _fits(self):
        if self.how == "validator" and "/x+y" in self.api_key:
            raise ValueError(f"{self.api_key!r} is no key")
        return self


class Object:
    def __init__(self, said):
        self.said = said

    def __repr__(self):
        return f"Object({self.said})"


class Leaky:
    """Of another package."""

    type = "leaky"
    Config = Config
    default_max_runs = None

    def __init__(self, config):
        self.config = config
        token = config.token.get_secret_value()
        self.all = f"{token} {[a.password.get_secret_value() for a in config.accounts]} {config.api_key}"
        if config.how == "init":
            raise RuntimeError(self.all)

    async def check(self):
        if self.config.how == "raise":
            raise KeyError(repr({**locals(), **vars(self)}))
        if self.config.how == "source error":
            raise Permanent(f"refused: {self.all}")
        return [Finding(self.all, "failed", f"saw {self.all}", f"use {self.all}")]

    async def discover(self, context):
        if self.config.how == "discover":
            raise LookupError(self.all)
        return [Stream("things", (Column("id", ColumnType.TEXT), Column("n", ColumnType.BIGINT)), ("id",))]

    async def extract(self, context):
        how, told, token = self.config.how, self.all, self.config.token.get_secret_value()
        if how == "raise":
            try:
                raise KeyError(token)
            except KeyError as error:
                raise RuntimeError(repr({**locals(), **vars(self)})) from error
        if how == "group":
            raise ExceptionGroup(told, [ValueError(told), Permanent(told)])
        if how == "source error":
            raise Permanent(told)
        if how == "rate limit":
            raise RateLimited(told, until=timedelta(hours=1))
        if how == "transient":
            raise Transient(told)
        if how == "logs":
            structlog.get_logger().debug(told, token=token, nested={"a": [token]})
            logging.getLogger("leaky").error("lost %s", token)
            try:
                raise ValueError(told)
            except ValueError:
                structlog.get_logger().exception("it broke")
                logging.getLogger("leaky").exception("it broke")
            lost = asyncio.get_running_loop().create_future()
            lost.set_exception(ValueError(told))
            del lost
        if how == "page":
            failures = [PartitionFailure("things", "b", Permanent(told))]
            rejects = [Reject("things", f"torn: {told}", f"{told},1,2")]
            yield Page("things", {}, [Fragment("things", "a", {"at": 1})], rejects=rejects, failures=failures)
        if how == "not json":
            yield Page("things", {"things": [{"id": "1", "n": Object(told)}]})
        yield Page("things", {"things": [{"id": "1", "n": 1}]}, [Fragment("things", "default", {"at": 1})])

    def transform(self, stream, record):
        if self.config.how == "bad record":
            raise BadRecord(f"not for {self.all}")
        if self.config.how == "transform":
            raise ArithmeticError(self.all)
        return record
'''


def install(folder: Path) -> None:
    """Puts the module and its entry point into `folder`, which is on the path of whoever looks for it."""
    (folder / "leaky_connector.py").write_text(SOURCE)
    info = folder / "acme_leaky-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: acme-leaky\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{connectors_registry.GROUP}]\nleaky = leaky_connector:Leaky\n")
    forget()


def forget() -> None:
    """What the registry knows of installed packages."""
    connectors_registry.connector_types.cache_clear()
    connectors_registry.find_connector.cache_clear()
