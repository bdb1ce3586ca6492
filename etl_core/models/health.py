"""Who is alive."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Health(BaseModel):
    """The state of the installation, by the database's clock."""

    model_config = ConfigDict(frozen=True)

    now: datetime
    database: str
    workers_alive: int
    schedulers_alive: int
