"""`etl-tui audit`: who did what, when, and what it was before."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.quantities import listing_limit, since

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DEFAULT_EVENTS = 50
MOST_EVENTS = 10_000


def register(subparsers: Subparsers) -> None:
    """Adds `audit list`."""
    add_group(subparsers, "audit", "who did what to jobs and integrations", _add_commands)


def _add_commands(group: Subparsers) -> None:
    listing = add_command(
        group,
        "list",
        list_all,
        summary="the newest actions, newest first",
        description="Every action on jobs and integrations: by which user of the system, from where over\n"
        "SSH, with which role of the database; --json has what was before and after. Nothing changes an\n"
        "event, and only its age removes one.",
        example="etl-tui audit list acme/GitHub --since 7d --actor ana",
    )
    listing.add_argument(
        "job",
        metavar="JOB",
        nargs="?",
        help="its id, or TENANT/JOB_NAME; default: everything (of ETL_TENANT)",
    )
    listing.add_argument("--since", metavar="WHEN", help="since then: 7d ago, 2026-11-25, 06:00")
    listing.add_argument("--actor", metavar="NAME", help="only what this user did")
    listing.add_argument(
        "--action", action="append", metavar="WORD", help="only this, as run_now or hold; may be repeated"
    )
    listing.add_argument("--limit", metavar="N", help=f"so many at most ({DEFAULT_EVENTS})")


async def list_all(arguments: argparse.Namespace, context: Context) -> int:
    """Prints events; `--json`: an array of EventRow."""
    from etl_core.control.events import list_events
    from etl_core.control.feed import read_clock
    from etl_core.control.jobs import find_job
    from etl_core.rules.moments import moment_text

    limit = listing_limit(arguments.limit, usual=DEFAULT_EVENTS, most=MOST_EVENTS)
    tenant = context.settings.tenant
    async with context.connection() as conn:
        job_id = await find_job(conn, arguments.job, tenant=tenant) if arguments.job else None
        now = await read_clock(conn)
        events = await list_events(
            conn,
            job_id=job_id,
            tenant=tenant,
            since=None if arguments.since is None else since("--since", arguments.since, now),
            actor=arguments.actor,
            actions=arguments.action,
            limit=limit,
        )
    if context.output.json:
        context.output.emit(events)
    elif not events:
        context.output.line("nothing that matches")
    else:
        context.output.table(
            ("WHEN", "WHO", "FROM", "WHERE", "WHAT"),
            [
                (moment_text(event.at), event.actor, event.ssh_origin or "", event.place, event.sentence)
                for event in events
            ],
        )
        if len(events) == limit:
            context.output.notice(f"the last {limit:,}; there may be more, --limit N shows them")
    return ExitCode.DONE
