"""Pauses and limits: what keeps runs from starting, of everything, a tenant or an integration."""

from __future__ import annotations

from etl_core.broker.channels import SCHEDULER
from etl_core.control.audit import Actor, record_event
from etl_core.control.places import Place, find_place
from etl_core.errors import Conflict, InvalidInput
from etl_core.models.dispatch import LimitRow, PauseRow
from etl_core.store.database import Connection
from etl_core.store.queries import load

_pauses = load("pauses")
_jobs = load("jobs")


async def pause(conn: Connection, place: Place, actor: Actor, *, reason: str) -> PauseRow:
    """Nothing starts there until somebody resumes it; what runs goes on.

    Raises:
        NotFound: no such place. Conflict: it is paused already, by whom is told. InvalidInput: no reason.
    """
    if not reason.strip():
        raise InvalidInput("a pause needs a reason: others will ask why nothing runs")
    async with conn.transaction():
        tenant_id, integration_id = await find_place(conn, place)
        added = await _pauses.add_pause(
            conn,
            tenant_id=tenant_id,
            integration_id=integration_id,
            reason=reason.strip(),
            paused_by=actor.name,
        )
        found = next(
            row
            for row in await list_pauses(conn)
            if (row.tenant, row.integration) == (place.tenant, place.integration)
        )
        if added is None:
            raise Conflict(f"{place} is paused already, by {found.paused_by}: {found.reason}")
        await record_event(
            conn,
            "pause",
            actor,
            tenant_id=tenant_id,
            place=str(place),
            integration=place.integration,
            reason=found.reason,
            before=None,
            after={"paused_by": found.paused_by, "reason": found.reason},
        )
    return found


async def resume(conn: Connection, place: Place, actor: Actor) -> None:
    """Lets runs start there again.

    Raises:
        NotFound: no such place. Conflict: it is not paused.
    """
    async with conn.transaction():
        tenant_id, integration_id = await find_place(conn, place)
        removed = await _pauses.remove_pause(conn, tenant_id=tenant_id, integration_id=integration_id)
        if removed is None:
            others = ", ".join(str(Place(row.tenant, row.integration)) for row in await list_pauses(conn))
            raise Conflict(f"{place} is not paused" + (f"; paused are: {others}" if others else ""))
        await record_event(
            conn,
            "resume",
            actor,
            tenant_id=tenant_id,
            place=str(place),
            integration=place.integration,
            reason=removed["reason"],
            before={name: removed[name] for name in ("paused_by", "reason", "paused_at")},
            after=None,
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")


async def list_pauses(conn: Connection) -> list[PauseRow]:
    """Everything that is paused, the widest first."""
    return [PauseRow.model_validate(dict(row)) async for row in _pauses.list_pauses(conn)]


async def limit(conn: Connection, place: Place, max_runs: int | None, actor: Actor) -> None:
    """How many runs there may be at once; None takes the limit away. What runs goes on.

    Raises:
        NotFound: no such place. InvalidInput: less than one.
    """
    check_limit(max_runs)
    async with conn.transaction():
        tenant_id, integration_id = await find_place(conn, place)
        before = next(
            (
                row.max_runs
                for row in await list_limits(conn)
                if (row.tenant, row.integration) == (place.tenant, place.integration)
            ),
            None,
        )
        if integration_id is not None:
            await _pauses.limit_integration(conn, integration_id=integration_id, max_runs=max_runs)
        elif tenant_id is not None:
            await _pauses.limit_tenant(conn, tenant_id=tenant_id, max_runs=max_runs)
        else:
            await _pauses.limit_all(conn, max_runs=max_runs)
        await record_event(
            conn,
            "limit",
            actor,
            tenant_id=tenant_id,
            place=str(place),
            integration=place.integration,
            before=before,
            after=max_runs,
        )
        await _jobs.notify_scheduler(conn, channel=SCHEDULER, payload="")


def check_limit(max_runs: int | None) -> None:
    """Raises InvalidInput for a limit that cannot be."""
    if max_runs is not None and not 1 <= max_runs <= 100_000:
        raise InvalidInput(f"a limit of {max_runs} runs: 1 to 100,000, or none; `etl-tui pause` stops all")


async def list_limits(conn: Connection) -> list[LimitRow]:
    """Every limit that is set, the widest first."""
    return [LimitRow.model_validate(dict(row)) async for row in _pauses.list_limits(conn)]
