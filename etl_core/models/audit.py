"""What was done, and by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, computed_field, field_validator

from etl_core.rules.audit_text import event_sentence


class EventRow(BaseModel):
    """An event of the audit, as `audit list` prints it; times are aware."""

    model_config = ConfigDict(frozen=True)

    id: int
    at: datetime
    action: str
    """`run_now`, `settings`, `cancel`, ...: a word that never changes its meaning."""
    actor: str
    """The operating system's user; of what the program did by itself `sweep` or `etl-tui`."""
    os_user: str | None
    ssh_origin: str | None
    """The address that the person came from over SSH."""
    db_role: str
    tenant: str | None
    """None for what is of no tenant, or when that is gone."""
    job_id: int | None
    """Kept when the job is gone."""
    job_name: str | None
    run_id: int | None
    detail: dict[str, Any]
    """What it was about: mostly `before`, `after` and `reason`; `detail` where it was stored as no object."""

    @field_validator("detail", mode="before")
    @classmethod
    def _as_object(cls, value: Any) -> Any:
        """Events stay as they are for ever: one that another program wrote must not hide the others."""
        return value if isinstance(value, dict) else {"detail": value}

    @computed_field  # type: ignore[prop-decorator] # mypy #1362: a decorated property
    @property
    def sentence(self) -> str:
        """What was done, without who and when: `changed the schedule from 1 hour to 4 hours`."""
        return event_sentence(self.action, self.detail, run_id=self.run_id)

    @property
    def place(self) -> str:
        """What it was done to: `acme/orders`, a place, a worker; empty where the sentence says it."""
        if self.job_id is not None:
            return f"{self.tenant}/{self.job_name}" if self.job_name else f"job {self.job_id}"
        return str(self.detail.get("place") or self.tenant or "")
