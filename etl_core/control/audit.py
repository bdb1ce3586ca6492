"""Who did it: every action of a person leaves an event in `job_events`, in the action's own transaction."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from typing import Any, Self

from etl_core.store.database import Connection
from etl_core.store.queries import load

_events = load("events")


@dataclass(frozen=True, slots=True)
class Actor:
    """A person (or the program on its own account) as the audit names it."""

    name: str
    os_user: str | None = None
    ssh_origin: str | None = None

    @classmethod
    def current(cls) -> Self:
        """The person at this terminal: the user that this process runs as, and where SSH came from.

        As the system has it, not as the environment says (USER, LOGNAME): nobody acts as somebody else. The
        database role is recorded by the database itself.
        """
        try:
            os_user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container's uid without a passwd entry
            os_user = f"uid {os.getuid()}"
        origin = os.environ.get("SSH_CONNECTION", "").split(" ")[0] or None
        return cls(os_user, os_user, origin)


async def record_event(
    conn: Connection,
    action: str,
    actor: Actor,
    *,
    tenant_id: int | None = None,
    job_id: int | None = None,
    run_id: int | None = None,
    **detail: Any,
) -> None:
    """Adds an event; call it inside the transaction of the action that it tells of.

    `detail` tells what was changed as `before` and `after`, and `reason` where one was given; without a
    `tenant_id` the tenant is the job's, or the one that `detail` names as `tenant`.
    """
    await _events.record_event(
        conn,
        action=action,
        actor=actor.name,
        os_user=actor.os_user,
        ssh_origin=actor.ssh_origin,
        tenant_id=tenant_id,
        job_id=job_id,
        run_id=run_id,
        detail=detail,
    )
