"""The actions that there are. Each holds for any number of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from etl_core.control import interventions
from etl_core.control import jobs as control
from etl_core.control.audit import Actor
from etl_core.errors import Conflict
from etl_core.models.job import JobRow, JobSettingsRequest
from etl_core.rules.clock_text import clock_text
from etl_core.rules.intervals import humanise_minutes
from etl_core.rules.possible import cancel_effect, why_not_cancel, why_not_clear, why_not_run
from etl_core.store.database import Connection
from etl_tui.app.actions.action import Action


def run_now(now: datetime, *, full_refresh: Sequence[str] | None = None) -> Action:
    """Starts a run of the job; one that is off runs once.

    Args:
        full_refresh: these streams are read from their beginning, all where it is empty; None: nothing is.
    """
    options = {} if full_refresh is None else {"full_refresh": list(full_refresh) or True}

    async def do(conn: Connection, actor: Actor, job: JobRow) -> str:
        run = await control.run_now(conn, job.id, actor, options=options)
        again = "" if full_refresh is None else f" and reads {_streams(full_refresh)} again"
        return f"run {run.id} is queued{again}{'' if job.active else '; it stays off after it'}"

    if full_refresh is not None:
        effect = [
            f"They read {_streams(full_refresh)} from the beginning again, which may take long.",
            "The checkpoint of before holds until that is done.",
        ]
        return Action("Full refresh", "Read all", effect, do, why_not=lambda job: why_not_run(job, now))

    return Action(
        "Run now",
        "Run",
        ["A run is queued for each; what is off runs once and stays off."],
        do,
        why_not=lambda job: why_not_run(job, now),
    )


def cancel(now: datetime) -> Action:
    """Ends the open run."""

    async def do(conn: Connection, actor: Actor, job: JobRow) -> str:
        run = await interventions.cancel(conn, job.id, actor)
        done = "will be cancelled" if run.finished_at is None else "is cancelled"
        return f"run {run.id} {done}; what it loaded stays"

    return Action(
        "Cancel",
        "Cancel the run",
        ["The runs end where they are. What is loaded stays, with the checkpoints behind it."],
        do,
        why_not=why_not_cancel,
        hurts=lambda job: cancel_effect(job, now),
    )


def clear(now: datetime) -> Action:
    """Ends failure, hold and snooze."""

    async def do(conn: Connection, actor: Actor, job: JobRow) -> str:
        await interventions.clear(conn, job.id, actor)
        return "is cleared"

    return Action(
        "Clear failure",
        "Clear",
        ["Failure, hold and snooze end; the jobs are READY, as if they had not failed."],
        do,
        why_not=lambda job: why_not_clear(job, now),
    )


def switch(on: bool) -> Action:
    """On or off."""

    async def do(conn: Connection, actor: Actor, job: JobRow) -> str:
        after = await control.set_active(conn, job.id, on, actor)
        going = "; the run under way goes on to its end" if not on and after.status == "RUNNING" else ""
        return f"is {'on' if on else 'off'}{going}"

    async def undo(conn: Connection, actor: Actor, job: JobRow) -> str:
        await control.set_active(conn, job.id, job.active, actor)
        return f"is {'on' if job.active else 'off'} again"

    effect = "They start again by their schedules; failures in a row count anew."
    if not on:
        effect = "They start no more. Runs under way go on to their end; those that wait are cancelled."
    word = "on" if on else "off"
    return Action(
        f"Switch {word}",
        f"Switch {word}",
        [effect],
        do,
        why_not=lambda job: f"it is {word} already" if job.active is on else None,
        undo=undo,
    )


def snooze(until: datetime, now: datetime) -> Action:
    """Not before then."""
    when = clock_text(until, now)

    async def do(conn: Connection, actor: Actor, job: JobRow) -> str:
        await interventions.snooze(conn, job.id, actor, until=until)
        return f"does not start by itself before {when}"

    async def undo(conn: Connection, actor: Actor, job: JobRow) -> str:
        await interventions.snooze(conn, job.id, actor, until=job.not_before)
        return "is not snoozed" if job.not_before is None else f"is snoozed as before: {job.not_before:%H:%M}"

    return Action(
        "Snooze",
        "Snooze",
        [f"They do not start by themselves before {when}; r runs one all the same."],
        do,
        undo=undo,
    )


def hold(reason: str, minutes: int | None) -> Action:
    """Waits for a person; with minutes the hold ends by itself."""
    span = f" for {humanise_minutes(minutes)}" if minutes else ""

    async def do(conn: Connection, actor: Actor, job: JobRow) -> str:
        await interventions.hold(conn, job.id, actor, reason=reason, minutes=minutes)
        return f"is held{span}: {reason}"

    async def undo(conn: Connection, actor: Actor, job: JobRow) -> str:
        await interventions.end_hold(conn, job.id, actor, reason=reason)
        return "is not held any more"

    return Action(
        "Hold",
        "Hold",
        [f"They wait for a person{span}: {reason}", "A run under way goes on to its end."],
        do,
        why_not=lambda job: f"{job.held_by or 'somebody'} holds it: {job.hold_reason}" if job.held else None,
        undo=undo,
    )


def change_settings(request: JobSettingsRequest) -> Action:
    """Both intervals; never over what somebody else changed since the job was seen."""
    every = humanise_minutes(request.schedule_interval_minutes)
    retry = humanise_minutes(request.retry_interval_minutes)
    wanted = (request.schedule_interval_minutes, request.retry_interval_minutes)

    async def do(conn: Connection, actor: Actor, job: JobRow) -> str:
        await _change(conn, actor, job.id, seen=_intervals(job), wanted=wanted)
        return f"runs every {every}, retry after {retry}"

    async def undo(conn: Connection, actor: Actor, job: JobRow) -> str:
        await _change(conn, actor, job.id, seen=wanted, wanted=_intervals(job))
        return f"runs every {humanise_minutes(job.schedule_interval_minutes)} again"

    return Action(
        "Settings",
        "Save",
        [f"They run every {every}, and are retried after {retry}."],
        do,
        why_not=lambda job: "it has these settings already" if _intervals(job) == wanted else None,
        undo=undo,
    )


def _streams(names: Sequence[str]) -> str:
    return ", ".join(names) or "everything"


def _intervals(job: JobRow) -> tuple[int, int]:
    return job.schedule_interval_minutes, job.retry_interval_minutes


async def _change(
    conn: Connection, actor: Actor, job_id: int, *, seen: tuple[int, int], wanted: tuple[int, int]
) -> None:
    """Saves over what was seen, and over nothing else; a run that began meanwhile changed no settings."""
    for _ in range(3):
        job = await control.read_job(conn, job_id)
        if _intervals(job) != seen:
            every, retry = map(humanise_minutes, _intervals(job))
            raise Conflict(f"it was changed meanwhile: now every {every}, retry after {retry}")
        try:
            await control.change_settings(
                conn,
                job_id,
                control.settings_request(*wanted),
                actor,
                expected_version=job.row_version,
            )
        except Conflict:
            continue
        return
    raise Conflict("it changes all the time; try again in a moment")
