"""`etl-tui rejects`: records that could not be loaded; look at them, replay them after a fix, drop them."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput, NotFound
from etl_tui.cli import job_run, reject_correction
from etl_tui.cli.output import harmless
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.quantities import listing_limit

if TYPE_CHECKING:
    from datetime import datetime

    from etl_core.models.reject import RejectRow, ReplaySelection, ReplayStart
    from etl_core.store.database import Connection
    from etl_tui.cli.context import Context
    from etl_tui.cli.output import Output
    from etl_tui.cli.parser import Subparsers

DEFAULT_REJECTS = 50
MOST_REJECTS = 10_000

REPLAY = """\
Starts a run of the job that loads rejects again, through transform and merge, in place of records from
its source: after a fix. It moves no checkpoint and leaves rows alone that were extracted later than the
reject. What is loaded is gone from the rejects; what is refused again stays. Like any run by hand it is
refused while the job runs, and its end is the job's. What is no JSON record cannot be replayed."""


def register(subparsers: Subparsers) -> None:
    """Adds `rejects list|show|correct|replay|drop`."""
    add_group(
        subparsers,
        "rejects",
        "records that could not be loaded: list, correct, replay, drop them",
        _add_commands,
    )


def _add_commands(group: Subparsers) -> None:
    listing = add_command(
        group,
        "list",
        list_all,
        summary="a job's rejects and why, the last seen first",
        example='etl-tui rejects list acme/GitHub --stream commits --reason "is no number"',
    )
    _add_job(listing)
    listing.add_argument("--stream", metavar="S", help="only of this stream")
    listing.add_argument("--reason", metavar="TEXT", help="only those whose reason holds this text")
    listing.add_argument("--limit", metavar="N", help=f"so many at most ({DEFAULT_REJECTS})")
    show = add_command(
        group, "show", show_one, summary="one reject with its record", example="etl-tui rejects show 12"
    )
    show.add_argument("id", metavar="ID", help="as `rejects list` shows it")
    reject_correction.register(group)
    replay = add_command(
        group,
        "replay",
        replay_some,
        summary="load a job's rejects again, after a fix",
        description=REPLAY,
        example="etl-tui rejects replay acme/GitHub --stream commits --wait",
    )
    _add_job(replay)
    which = replay.add_mutually_exclusive_group()
    which.add_argument("--id", dest="ids", nargs="+", metavar="N", help="only these; else all of the job")
    which.add_argument("--stream", metavar="S", help="only of this stream")
    replay.add_argument("--dry-run", action="store_true", help="say what would be loaded again, no more")
    replay.add_argument("--wait", action="store_true", help="show its progress and end with it")
    drop = add_command(
        group,
        "drop",
        drop_some,
        summary="remove rejects of a job for good",
        description="Removes rejects: their records are lost unless the source delivers them again.\n"
        "The audit keeps who did it and why.",
        example='etl-tui rejects drop acme/GitHub --id 12 13 --reason "test data"',
    )
    _add_job(drop)
    chosen = drop.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--id", dest="ids", nargs="+", metavar="N", help="these")
    chosen.add_argument("--all", action="store_true", help="all of the job")
    drop.add_argument("--dry-run", action="store_true", help="say what would be removed, no more")
    drop.add_argument("--reason", metavar="TEXT", help="kept in the audit; --dry-run needs none")


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="its id, or TENANT/JOB_NAME")


async def list_all(arguments: argparse.Namespace, context: Context) -> int:
    """Prints rejects; `--json`: an array of RejectRow."""
    from etl_core.control.feed import read_clock
    from etl_core.control.jobs import find_job
    from etl_core.control.rejects import list_rejects

    limit = listing_limit(arguments.limit, usual=DEFAULT_REJECTS, most=MOST_REJECTS)
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        rejects = await list_rejects(
            conn, job_id, stream=arguments.stream, reason=arguments.reason, limit=limit
        )
        now = await read_clock(conn)
    if context.output.json:
        context.output.emit(rejects)
    elif not rejects:
        found = arguments.stream is not None or arguments.reason is not None
        context.output.line("none that match" if found else "no rejects")
    else:
        _print(rejects, now.astimezone(), context.output)
        if len(rejects) == limit:
            context.output.notice(f"the last {limit:,}; there may be more, --limit N shows them")
    return ExitCode.DONE


def _print(rejects: list[RejectRow], now: datetime, output: Output) -> None:
    from etl_core.rules.clock_text import ago_text

    output.table(
        ("ID", "STREAM", "TIMES", "FIRST SEEN", "LAST SEEN", "RUN", "REASON"),
        [
            (
                row.id,
                row.stream,
                row.count,
                ago_text(row.first_seen_at, now),
                ago_text(row.last_seen_at, now),
                row.run_id,
                row.reason if row.is_record else f"{row.reason} (no record: cannot be replayed)",
            )
            for row in rejects
        ],
    )


async def show_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints a reject with its payload; `--json`: its RejectDetails."""
    from etl_core.control.rejects import show_reject
    from etl_core.rules.moments import moment_text

    if not (arguments.id.isascii() and arguments.id.isdigit() and len(arguments.id) < 19):
        raise NotFound(f"no reject {arguments.id}; `etl-tui rejects list JOB` shows those of a job")
    async with context.connection() as conn:
        reject = await show_reject(conn, int(arguments.id))
    if context.output.json:
        context.output.emit(reject)
        return ExitCode.DONE
    context.output.fields(
        [
            ("reject", f"{reject.id} of {reject.tenant}/{reject.job_name}"),
            ("stream", reject.stream),
            ("reason", reject.reason),
            ("times", f"{reject.count:,}"),
            ("first seen", moment_text(reject.first_seen_at)),
            ("last seen", moment_text(reject.last_seen_at)),
            ("extracted", moment_text(reject.extracted_at)),
            ("run", reject.run_id),
            ("bytes", f"{reject.bytes:,}"),
            ("replay", None if reject.is_record else "impossible: it is no JSON record"),
        ]
    )
    payload = reject.payload
    text = payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)
    context.output.line()
    context.output.line(harmless(text))
    return ExitCode.DONE


async def replay_some(arguments: argparse.Namespace, context: Context) -> int:
    """Replays rejects; `--json`: the RunRow, with --wait as it ended."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import find_job, show_job
    from etl_core.control.rejects import preview_replay, replay_rejects

    selection = _selection(arguments)
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        if arguments.dry_run:
            found = await preview_replay(conn, job_id, selection)
            if context.output.json:
                context.output.emit(found)
            else:
                stay = f", {found.kept:,} stay: no JSON records" if found.kept else ""
                context.output.line(f"would replay {_counted(found.records, 'record')}{stay}")
            return ExitCode.DONE
        started = await replay_rejects(conn, job_id, selection, Actor.current())
        job = await show_job(conn, job_id)
        name = f"{job.tenant}/{job.job_name}"
        if started.kept:
            stay = "1 reject is" if started.kept == 1 else f"{started.kept:,} rejects are"
            context.output.notice(f"{stay} no JSON record: that cannot be replayed, and stays")
        if arguments.wait:
            return await job_run.wait_for_end(conn, started.run, name, context.output)
        await _tell_started(conn, started, name, context.output)
        return ExitCode.DONE


def _selection(arguments: argparse.Namespace) -> ReplaySelection:
    from etl_core.models.reject import ReplaySelection

    if arguments.ids is not None:
        return ReplaySelection(ids=_ids(arguments.ids))
    if arguments.stream is not None:
        return ReplaySelection(stream=arguments.stream)
    return ReplaySelection(all=True)


async def _tell_started(conn: Connection, started: ReplayStart, name: str, output: Output) -> None:
    from etl_core.control.feed import JobFeed

    run = started.run
    if output.json:
        output.emit(run)
    else:
        records = "1 record" if started.records == 1 else f"{started.records:,} records"
        output.line(f"{name}: run {run.id} is queued, it replays {records}; `etl-tui runs show {run.id}`")
    if not (await JobFeed(conn).read_health()).workers_alive:
        output.notice(f"run {run.id} is queued: no worker alive; start one with `etl-worker`")


async def drop_some(arguments: argparse.Namespace, context: Context) -> int:
    """Drops rejects; `--json`: {"dropped": [ids]}."""
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import find_job
    from etl_core.control.rejects import drop_rejects, preview_drop

    if arguments.reason is None and not arguments.dry_run:
        raise InvalidInput("dropping records for good needs a --reason (--dry-run needs none)")
    ids = None if arguments.all else _ids(arguments.ids)
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
        if arguments.dry_run:
            gone = await preview_drop(conn, job_id, ids=ids)
        else:
            gone = await drop_rejects(conn, job_id, Actor.current(), ids=ids, reason=arguments.reason or "")
    if context.output.json:
        context.output.emit({"would_drop" if arguments.dry_run else "dropped": gone})
    elif arguments.dry_run:
        context.output.line(f"would drop {_counted(len(gone), 'reject')}")
    else:
        context.output.line(f"{len(gone):,} reject{'' if len(gone) == 1 else 's'} dropped")
    return ExitCode.DONE


def _counted(count: int, word: str) -> str:
    return f"1 {word}" if count == 1 else f"{count:,} {word}s"


def _ids(texts: list[str]) -> list[int]:
    """Each once, in order."""
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise InvalidInput(f"--id: {text!r} is no reject; `etl-tui rejects list JOB` shows their numbers")
    return sorted({int(text) for text in texts})
