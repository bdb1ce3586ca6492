"""What a slot of a worker carries out: a run, or a batch of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol


class Held(NamedTuple):
    """A run (`seq` 0) or a batch of it under a lease, as PostgreSQL knows its holder."""

    run_id: int
    seq: int
    lease: int


class Work(Protocol):
    """In one slot from its claim to its end."""

    @property
    def holds(self) -> Collection[Held]:
        """What must still be this worker's for the work to make sense."""

    async def carry_out(self) -> None:
        """Raises nothing but cancellation: what happens is written to the run."""

    def give_way(self) -> None:
        """End at the next point from which others can go on."""


class JobInHand(Protocol):
    """What loading must know of the run: a claimed run or a claimed batch."""

    @property
    def id(self) -> int:
        """The run's."""

    @property
    def job_id(self) -> int: ...

    @property
    def worker_id(self) -> int: ...

    @property
    def tenant(self) -> str: ...

    @property
    def integration(self) -> str | None: ...

    @property
    def job_name(self) -> str: ...

    @property
    def options(self) -> Mapping[str, Any]:
        """What a person asked of the run."""
