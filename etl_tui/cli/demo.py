"""`etl-tui demo`: see it work on real input, with nothing installed but this program."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from etl_core.errors import Conflict, EtlError, ExitCode, InvalidInput
from etl_tui.cli.parser import PROGRAM, Subparsers, add_command

if TYPE_CHECKING:
    from etl_core.store.database import Connection
    from etl_tui.cli.context import Context
    from etl_tui.demo.jobs import DemoJob
    from etl_tui.demo.processes import DemoProcess

STAGGER = 1.5
"""Seconds between two starts under the dashboard, so that one sees them begin."""
PLAIN_LIMIT, WATCHED_LIMIT = 4.0, 15.0
"""Seconds of the rate limit that GitHub's first run meets: to be read, or to be watched."""


def register(subparsers: Subparsers) -> None:
    """Adds `demo`."""
    demo = add_command(
        subparsers,
        "demo",
        run_demo,
        summary="see it work: a database of its own, real processes, jobs over files, GitHub and Jira",
        description="Starts an embedded database of its own, the scheduler and a worker, and jobs over real\n"
        "files and over a simulated GitHub, whose rate limit is met on the way, and Jira. On a terminal it\n"
        "opens the dashboard; without one (or with --plain) it runs every job once to its end and exits 0\n"
        "only if all ended as they should. One job is there to fail.",
        example="ETL_DATABASE_URL=$(etl-tui demo --url) etl-tui jobs list",
    )
    demo.add_argument("--plain", action="store_true", help="no dashboard, also on a terminal")
    demo.add_argument("--repository", metavar="PATH", help="the git repository whose history is read")
    choice = demo.add_mutually_exclusive_group()
    choice.add_argument(
        "--url", action="store_true", help="print the ETL_DATABASE_URL of the demo's database"
    )
    choice.add_argument(
        "--stop", action="store_true", help="stop the demo's database if --url left it running"
    )
    choice.add_argument("--reset", action="store_true", help="forget what earlier demos loaded, then run")


async def run_demo(arguments: argparse.Namespace, context: Context) -> int:
    """Dispatches to what was asked for."""
    folder = _folder()
    if arguments.url:
        return await _print_url(folder, context)
    if arguments.stop:
        return await _stop(folder, context)
    ended_by = _end_on_signals()
    try:
        return await _run(arguments, context, folder)
    except asyncio.CancelledError:
        if not ended_by:  # Ctrl-C
            raise
        return 128 + ended_by[0]


def _folder() -> Path:
    from etl_core.settings import data_dir

    return data_dir() / "demo"


async def _run(arguments: argparse.Namespace, context: Context, folder: Path) -> int:
    from etl_core.settings import load_settings
    from etl_core.store import embedded
    from etl_core.store.database import connect
    from etl_tui.demo.jobs import demo_jobs, find_repository, set_up
    from etl_tui.demo.processes import scheduler_and_worker
    from etl_tui.demo.sources import simulated_sources

    if arguments.reset:
        await asyncio.to_thread(_reset, folder)
    repository = find_repository(arguments.repository)
    context.output.line("starting a database, a simulated GitHub and Jira, scheduler and worker")
    context.output.flush()
    if repository is None:
        context.output.notice(
            "no git repository here: the history job is left out; --repository PATH names one"
        )
    watched = _wants_dashboard(arguments, context)
    with simulated_sources(folder, limit_seconds=WATCHED_LIMIT if watched else PLAIN_LIMIT) as sources:
        jobs = demo_jobs(folder, repository, sources)
        server = await asyncio.to_thread(embedded.start, folder / "postgres")
        try:
            url = await asyncio.to_thread(server.url)
            conn = await connect(url, application_name="etl-tui demo")
            try:
                await _migrate(conn)
                ids = await set_up(conn, jobs)
                with scheduler_and_worker(url, folder) as processes:
                    if not watched:
                        return await _run_plain(conn, jobs, ids, processes, context)
                    await _until_alive(conn)
                    starting = asyncio.create_task(_start_one_by_one(conn, list(ids.values())))
                    from etl_tui.app.launch import show_dashboard

                    settings = load_settings(database_url=url, amqp_url=None, tenant=None)
                    try:
                        return await show_dashboard(settings)
                    finally:
                        starting.cancel()
            finally:
                await asyncio.shield(conn.close())
        finally:
            await asyncio.shield(asyncio.to_thread(server.close))


def _wants_dashboard(arguments: argparse.Namespace, context: Context) -> bool:
    # Textual reads the keys from stdin and draws on stderr.
    interactive = sys.stdin.isatty() and sys.stderr.isatty() and context.output.is_terminal
    interactive = interactive and os.environ.get("TERM") != "dumb"
    return interactive and not arguments.plain and not context.output.json


async def _run_plain(
    conn: Connection,
    jobs: list[DemoJob],
    ids: dict[str, int],
    processes: list[DemoProcess],
    context: Context,
) -> int:
    from etl_tui.demo.plain import print_table, run_all

    results = await run_all(conn, jobs, ids, processes, context.output)
    print_table(results, context.output)
    if context.output.json:
        context.output.emit(
            [
                {
                    "job": ended.job.full_name,
                    "as_it_should": ended.as_it_should,
                    "result": ended.result,
                    "seconds": ended.seconds,
                    "run": ended.run,
                }
                for ended in results
            ]
        )
    wrong = [ended.job.full_name for ended in results if not ended.as_it_should]
    if wrong:
        context.output.notice(f"etl-tui: did not end as they should: {', '.join(wrong)}")
        return ExitCode.FAILED
    context.output.line()
    context.output.line("every job ended as it should; look into it:")
    program = _this_program()
    context.output.line(f"  ETL_DATABASE_URL=$({program} demo --url) {program} jobs list")
    return ExitCode.DONE


def _this_program() -> str:
    """How a shell here calls it: `make demo` runs it from a folder that is not on PATH."""
    import shutil

    called, found = Path(sys.argv[0]), shutil.which(PROGRAM)
    if called.name != PROGRAM or (found is not None and called.samefile(found)):
        return PROGRAM
    return str(called)


async def _until_alive(conn: Connection) -> None:
    """Both processes have said so, or will not soon: the banner tells."""
    from etl_core.control.feed import JobFeed

    feed = JobFeed(conn)
    for _ in range(50):
        health = await feed.read_health()
        if health.workers_alive and health.schedulers_alive:
            return
        await asyncio.sleep(0.2)


async def _start_one_by_one(conn: Connection, job_ids: list[int]) -> None:
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import run_now

    for job_id in job_ids:
        await asyncio.sleep(STAGGER)
        try:
            await run_now(conn, job_id, Actor.current())
        except Conflict:
            continue  # the scheduler was quicker


async def _migrate(conn: Connection) -> None:
    from etl_core.store.migrations import migrate

    try:
        await migrate(conn)
    except Conflict as error:
        raise Conflict(
            f"the demo's database cannot be used; `{_this_program()} demo --reset` makes a new one ({error})"
        ) from error


async def _print_url(folder: Path, context: Context) -> int:
    """The URL, good until nobody has used it for a while; the database is started when it is not up."""
    from etl_tui.demo.linger import IDLE_MINUTES

    if not (folder / "postgres").is_dir():
        raise InvalidInput("there is no demo database yet; `etl-tui demo` makes it")
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "etl_tui.demo.linger",
        str(folder / "postgres"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert holder.stdout is not None  # noqa: S101 - it was asked for
    url = (await holder.stdout.readline()).decode().strip()
    if not url:
        raise EtlError(
            f"the demo's database in {folder} does not start; `etl-tui demo --reset` makes a new one"
        )
    if context.output.json:
        context.output.emit({"url": url})
    else:
        context.output.line(url)
    if sys.stderr.isatty():
        context.output.notice(
            f"the database stays up until it was idle for {IDLE_MINUTES} min; `demo --stop` stops it"
        )
    return ExitCode.DONE


async def _stop(folder: Path, context: Context) -> int:
    from etl_core.store import embedded

    stopped = await asyncio.to_thread(embedded.stop, folder / "postgres")
    if context.output.json:
        context.output.emit({"stopped": stopped})
    context.output.line(
        "the demo's database is stopped" if stopped else "the demo's database was not running"
    )
    return ExitCode.DONE


def _reset(folder: Path) -> None:
    import shutil

    from etl_core.store import embedded

    embedded.stop(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


def _end_on_signals() -> list[int]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does, processes and database too; says which one it was."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a handler runs in one
    ended_by: list[int] = []

    def end(number: int) -> None:
        ended_by.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    return ended_by
