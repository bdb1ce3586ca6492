"""Who is alive, and what bars everything."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class WidePause(BaseModel):
    """A pause of everything (`tenant` None) or of a whole tenant."""

    model_config = ConfigDict(frozen=True)

    tenant: str | None
    paused_by: str
    reason: str


class Health(BaseModel):
    """The state of the installation, by the database's clock."""

    model_config = ConfigDict(frozen=True)

    now: datetime
    database: str
    workers_alive: int
    """Draining ones included."""
    schedulers_alive: int
    workers_draining: int = 0
    """Alive, and to take no more runs."""
    worker_last_seen: datetime | None = None
    """The newest heartbeat of any worker; None when there never was one."""
    scheduler_last_seen: datetime | None = None
    slots: int = 0
    """For runs, of the workers alive that take some."""
    slots_taken: int = 0
    """Runs in the hands of workers."""
    stages_missing: tuple[str, ...] = ()
    """Stages that no worker alive serves although something waits for them (for extract: in any case)."""
    runs_queued: int = 0
    """Runs that wait for a worker and for nothing else that they know of."""
    queue_oldest_at: datetime | None = None
    """Since when the oldest of them was queued."""
    schema_version: int | None = None
    """Of the newest migration in force."""
    pauses: tuple[WidePause, ...] = ()
    """The widest first."""
