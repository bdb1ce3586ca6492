"""Programs for one case at a time: forked by the nursery, told which database and broker are theirs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.forked import Forked, nursery

SETTINGS = {
    "ETL_CLAIM_INTERVAL": "0.3",
    "ETL_HEARTBEAT_INTERVAL": "0.2",
    "ETL_LEASE_TIMEOUT": "1.5",
}
"""A killed worker is found within two seconds."""


class Program:
    """A program that runs, or ran."""

    def __init__(self, forked: Forked) -> None:
        self._forked = forked
        self.ended = asyncio.wrap_future(forked.ended)
        """Its exit code, or minus the signal that ended it."""

    def send(self, number: int) -> None:
        """A signal, if it runs."""
        self._forked.send_signal(number)

    def kill(self) -> None:
        """Ends it at once, if it runs."""
        self._forked.kill()


async def start(program: str, arguments: Sequence[str], settings: Mapping[str, str], log: Path) -> Program:
    """A new process of `program`, `workers` or `scheduler`, through the seam."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
    return Program(
        await asyncio.to_thread(
            nursery().start,
            program,
            [*arguments, "--with-parent"],
            inherited | {**settings},
            log,
            first="tests.crash.seam:install",
        )
    )
