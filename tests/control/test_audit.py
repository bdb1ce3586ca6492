"""The audit: each action tells before and after, and nobody changes what it tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import time, timedelta

import asyncpg
import pytest

from etl_core.control import interventions, job_limits, jobs, pauses, processes, windows
from etl_core.control.events import list_events
from etl_core.control.integration_loading import change_loading
from etl_core.control.integrations import add_integration, change_config
from etl_core.control.places import Place
from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.support.jobs import PERSON, make_job, make_worker, start_run

_prune = load("prune")

PLACE = Place("acme", "made-up")


async def _window(db: Connection) -> None:
    window = await windows.add_window(
        db,
        place=PLACE,
        job_id=None,
        weekdays=[1],
        starts=time(8),
        ends=time(9),
        time_zone="UTC",
        reason=None,
        actor=PERSON,
    )
    await windows.remove_window(db, window.id, PERSON)


async def _hold_and_end(db: Connection, job_id: int) -> None:
    await interventions.hold(db, job_id, PERSON, reason="token")
    await interventions.end_hold(db, job_id, PERSON, reason="token")


async def _run(db: Connection, act: Callable[[Connection, int], Awaitable[object]]) -> None:
    job_id = await make_job(db, "runs")
    await start_run(db, job_id, await make_worker(db))
    await act(db, job_id)


ACTIONS: dict[str, Callable[[Connection, int], Awaitable[object]]] = {
    "run_now": lambda db, job: jobs.run_now(db, job, PERSON),
    "settings": lambda db, job: jobs.change_settings(db, job, jobs.settings_request(240, 15), PERSON),
    "disable": lambda db, job: jobs.set_active(db, job, False, PERSON, reason="noisy"),
    "assign_integration": lambda db, job: jobs.assign_integration(db, job, "made-up", PERSON),
    "hold": lambda db, job: interventions.hold(db, job, PERSON, reason="token"),
    "end_hold": _hold_and_end,
    "snooze": lambda db, job: interventions.snooze(db, job, PERSON, until=None),
    "set_deadline": lambda db, job: job_limits.set_deadline(db, job, 90, PERSON),
    "set_max_failures": lambda db, job: job_limits.set_max_failures(db, job, 3, PERSON),
    "pause": lambda db, _: pauses.pause(db, PLACE, PERSON, reason="moves"),
    "limit": lambda db, _: pauses.limit(db, PLACE, 4, PERSON),
    "remove_window": lambda db, _: _window(db),
    "change_config": lambda db, _: change_config(
        db, tenant="acme", name="made-up", config={"records": 2}, actor=PERSON
    ),
    "change_loading": lambda db, _: change_loading(
        db, tenant="acme", name="made-up", schema_mode="freeze", actor=PERSON
    ),
    "cancel": lambda db, _: _run(db, lambda db, job: interventions.cancel(db, job, PERSON)),
    "release": lambda db, _: _run(db, lambda db, job: interventions.release(db, job, PERSON)),
}


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_action_tells_what_was_before_and_after(db: Connection, action: str) -> None:
    job_id = await make_job(db)
    await ACTIONS[action](db, job_id)
    (event,) = await list_events(db, actions=[action])
    assert {"before", "after"} <= set(event.detail)
    assert event.detail["before"] != event.detail["after"] or action in ("assign_integration", "snooze")
    assert (event.actor, event.os_user, event.tenant) == ("tess", "tess", "acme")
    assert event.sentence


async def test_a_job_s_events_are_those_of_its_integration_too(db: Connection) -> None:
    job_id = await make_job(db)
    await add_integration(
        db, tenant="acme", name="another", integration_type="synthetic", config={}, actor=PERSON
    )
    await make_job(db, "orders", tenant="globex")
    await pauses.pause(db, PLACE, PERSON, reason="moves")
    await pauses.pause(db, Place("globex", "made-up"), PERSON, reason="another tenant's")
    await interventions.hold(db, job_id, PERSON, reason="one")
    await interventions.clear(db, job_id, PERSON)

    told = await list_events(db, job_id=job_id)
    assert [event.action for event in told] == ["clear", "hold", "pause"]
    assert [event.action for event in await list_events(db, job_id=job_id, before_id=told[1].id)] == ["pause"]
    assert [event.action for event in await list_events(db, tenant="globex")] == ["pause"]
    assert await list_events(db, actor="nobody") == []
    assert len(await list_events(db, actor="TESS", limit=2)) == 2
    assert await list_events(db, since=told[0].at + timedelta(seconds=1)) == []


async def test_a_drained_worker_is_told_of_with_who_drained_it_before(db: Connection) -> None:
    worker_id = await make_worker(db)
    await processes.drain_worker(db, worker_id, PERSON)
    await processes.drain_worker(db, worker_id, PERSON, drain=False)
    told = [(event.detail["before"], event.detail["after"]) for event in await list_events(db)]
    assert told == [
        ({"draining_by": "tess"}, {"draining_by": None}),
        ({"draining_by": None}, {"draining_by": "tess"}),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job_events SET actor = 'somebody'",
        "DELETE FROM job_events",
        "TRUNCATE job_events",
        "SELECT set_config('etl.audit_prune', 'on', false); DELETE FROM job_events",
        "SELECT set_config('etl.audit_prune', 'on', false); UPDATE job_events SET detail = '{}'",
    ],
)
async def test_nobody_changes_it(db: Connection, statement: str) -> None:
    await interventions.hold(db, await make_job(db), PERSON, reason="one")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the audit is not changed"):
        await db.execute(statement)
    assert [event.actor for event in await list_events(db)] == ["tess"]


async def test_it_outlives_what_it_tells_of_and_is_pruned_by_age(db: Connection) -> None:
    job_id = await make_job(db)
    run = await start_run(db, job_id, await make_worker(db))
    await interventions.cancel(db, job_id, PERSON)
    await db.execute("DELETE FROM etl_jobs")
    newest = (await list_events(db))[0]
    assert (newest.job_id, newest.run_id, newest.job_name) == (job_id, run.id, None)

    old = (
        "INSERT INTO job_events (action, actor, at) SELECT 'hold', 'tess', now() - make_interval(days => $1)"
    )
    await db.execute(old, 3)
    await db.execute(old, 9)
    assert await _prune.prune_events(db, keep_days=2.0, at_most=100) == 1
    assert await _prune.prune_events(db, keep_days=0.0, at_most=100) == 0  # younger ones stay, whoever asks
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute("DELETE FROM job_events")
