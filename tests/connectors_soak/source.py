"""What a soak must know of a connector and its simulator."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

Key = tuple[Any, ...]
Tables = Mapping[str, Mapping[Key, Mapping[str, Any]]]
"""Stream -> primary key -> row as the destination has it, without those marked deleted."""


class Source(Protocol):
    """A simulator that is served from this process, and the integration that reads it."""

    type: str
    """Of the integration."""
    environment: Mapping[str, str]
    """Secrets that the configuration refers to, for the worker."""

    def serving(self) -> AbstractContextManager[None]:
        """Answers while it is open."""

    def config(self) -> dict[str, Any]:
        """Of the integration, once it is served."""

    def disturb(self, share: float) -> None:
        """From now on the source changes while it is read, and this share of the calls meet a fault."""

    def freeze(self) -> None:
        """Neither any more."""

    def moment(self) -> Any:
        """Now, as the source counts."""

    def differences(self, tables: Tables, since: Any) -> list[str]:
        """What is wrong with tables that a run since that moment left: lost, strange, or of another time."""

    def told(self) -> str:
        """In a line: what was asked, and which faults were met."""
