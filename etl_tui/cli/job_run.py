"""`etl-tui jobs run`: starts a run and, if asked to, waits for its end."""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput, Unreachable
from etl_tui.cli.run_progress import LineProgress, PlainProgress

if TYPE_CHECKING:
    from etl_core.models.run import RunRow
    from etl_core.store.database import Connection
    from etl_tui.cli.context import Context
    from etl_tui.cli.output import Output

FIRST_POLL, SLOWEST_POLL = 0.2, 1.0
"""Seconds between two looks at the run: a short run ends at once, a long one costs a query a second."""
HEALTH_EVERY = 5.0
"""Seconds between two looks at who is alive, while the run is queued."""


def positive(text: str) -> float:
    """An argparse type: a number greater than zero, of seconds or of records a second."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number greater than zero")
    return number


async def run_one(arguments: argparse.Namespace, context: Context) -> int:
    """Runs a job now; `--json`: the RunRow, with --wait as it ended."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import find_job, run_now, show_job

    if arguments.streams and not arguments.full_refresh:
        raise InvalidInput("--stream says of which streams --full-refresh reads everything; give both")
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        asked = {
            "evolve": arguments.evolve,
            "allow_deletions": arguments.allow_deletions,
            "full_refresh": arguments.full_refresh and (arguments.streams or True),
        }
        options = {name: value for name, value in asked.items() if value}
        run = await run_now(conn, job_id, Actor.current(), options=options)
        job = await show_job(conn, job_id)
        name = f"{job.tenant}/{job.job_name}"
        if not arguments.wait:
            return await _tell_started(conn, run, name, context.output)
        return await wait_for_end(conn, run, name, context.output, timeout=arguments.timeout)


async def _tell_started(conn: Connection, run: RunRow, name: str, output: Output) -> int:
    if output.json:
        output.emit(run)
    else:
        output.line(f"{name}: run {run.id} is queued; `etl-tui jobs run --wait` would have waited for it")
    await tell_who_is_missing(conn, run, output)
    return ExitCode.DONE


async def tell_who_is_missing(conn: Connection, run: RunRow, output: Output) -> None:
    """A notice where nobody is alive who could take the run."""
    missing = await _who_is_missing(conn)
    if missing:
        output.notice(f"run {run.id} is {missing}")


async def wait_for_end(
    conn: Connection,
    run: RunRow,
    name: str,
    output: Output,
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - running out is an answer, not an error
) -> int:
    """Shows the run's progress until it ends and returns the exit code that tells how.

    `timeout` is in seconds; when it runs out the run goes on. So it does when the wait is cancelled.
    """
    import asyncpg

    progress = (
        LineProgress(output, name) if output.is_terminal and not output.json else PlainProgress(output, name)
    )
    try:
        run = await _follow(conn, run, progress, output, timeout)
    except asyncio.CancelledError:
        progress.close()
        output.notice(f"stopped waiting; run {run.id} goes on, `etl-tui jobs show {name}` shows it")
        raise
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if not conn.is_closed() and not isinstance(error, asyncpg.OperatorInterventionError):
            raise
        raise Unreachable(f"lost the database while waiting ({error}); run {run.id} goes on") from error
    finally:
        progress.close()
    if output.json:
        output.emit(run)
    return _tell_end(run, name, output, timeout)


async def _follow(
    conn: Connection,
    run: RunRow,
    progress: LineProgress | PlainProgress,
    output: Output,
    timeout: float | None,  # noqa: ASYNC109
) -> RunRow:
    from etl_core.control.runs import show_run

    started = time.monotonic()
    pause, next_health, told = FIRST_POLL, started, ""
    while run.state.is_open:
        now = time.monotonic()
        if run.state == "QUEUED" and now >= next_health:
            next_health = now + HEALTH_EVERY
            missing = await _who_is_missing(conn)
            if missing and missing != told:
                progress.close()
                output.notice(f"run {run.id} is {missing}")
            told = missing
        progress.show(run, now)
        left = math.inf if timeout is None else started + timeout - now
        if left <= 0:
            break
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.3, SLOWEST_POLL)
        run = await show_run(conn, run.id)
    return run


async def _who_is_missing(conn: Connection) -> str:
    """Why a queued run does not start; empty when everybody needed is alive.

    A run-now needs no scheduler: workers look for queued runs by themselves every few seconds.
    """
    from etl_core.control.feed import JobFeed

    health = await JobFeed(conn).read_health()
    return "" if health.workers_alive else "queued: no worker alive; start one with `etl-worker`"


def _tell_end(run: RunRow, name: str, output: Output, timeout: float | None) -> int:
    from etl_core.rules.counts_text import result_sentence

    if run.state.is_open:
        output.notice(f"etl-tui: {name}: run {run.id} has not ended after {timeout:g} s; it goes on")
        return ExitCode.FAILED
    took = ""
    if run.started_at is not None and run.finished_at is not None:
        took = f" in {(run.finished_at - run.started_at).total_seconds():.1f} s"
    if run.state == "SUCCEEDED":
        output.line(f"{name}: run {run.id} succeeded{took}: {result_sentence(run)}")
        return ExitCode.DONE
    why = f": {run.error_message}" if run.error_message else ""
    output.notice(
        f"etl-tui: {name}: run {run.id} {'failed' if run.state == 'FAILED' else 'was cancelled'}{took}{why}"
    )
    return ExitCode.FAILED
