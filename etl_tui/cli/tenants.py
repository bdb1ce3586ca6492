"""`etl-tui tenants`: who owns data."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command, add_group

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers


def register(subparsers: Subparsers) -> None:
    """Adds `tenants list|add`."""
    add_group(subparsers, "tenants", "list and add tenants, who own jobs and integrations", _add_commands)


def _add_commands(group: Subparsers) -> None:
    add_command(group, "list", list_all, summary="all tenants", example="etl-tui tenants list --json")
    add = add_command(
        group,
        "add",
        add_one,
        summary="a new tenant with its four seeded jobs",
        description="A new tenant. It comes with the jobs Jira, GitHub, Fabric and AD; none runs\n"
        "before it has an integration (`integrations add`, then `jobs settings JOB --integration NAME`).",
        example="etl-tui tenants add acme",
    )
    add.add_argument("name", metavar="NAME", help="up to 200 printable characters without '/'")


async def list_all(_: argparse.Namespace, context: Context) -> int:
    """Prints every tenant; `--json`: an array of TenantRow."""
    from etl_core.control.tenants import list_tenants

    async with context.connection() as conn:
        tenants = await list_tenants(conn)
    if context.output.json:
        context.output.emit(tenants)
    elif not tenants:
        context.output.line("no tenants yet; `etl-tui tenants add NAME` makes one")
    else:
        context.output.table(
            ("ID", "TENANT", "JOBS", "INTEGRATIONS", "ACTIVE"),
            [
                (row.id, row.name, row.jobs, row.integrations, "yes" if row.active else "no")
                for row in tenants
            ],
        )
    return ExitCode.DONE


async def add_one(arguments: argparse.Namespace, context: Context) -> int:
    """Adds a tenant and prints its jobs; `--json`: TenantRow with `seeded_jobs`, an array of JobRow."""
    from etl_core.control.audit import Actor
    from etl_core.control.tenants import add_tenant
    from etl_core.rules.intervals import short_interval

    async with context.connection() as conn:
        tenant, jobs = await add_tenant(conn, arguments.name, Actor.current())
    if context.output.json:
        context.output.emit({**tenant.model_dump(), "seeded_jobs": jobs})
        return ExitCode.DONE
    context.output.line(
        f"tenant {tenant.name} added, with {len(jobs)} jobs; none runs before it has an integration:"
    )
    context.output.table(
        ("ID", "JOB", "EVERY", "RETRY", "ON"),
        [
            (
                job.id,
                f"{job.tenant}/{job.job_name}",
                short_interval(job.schedule_interval_minutes),
                short_interval(job.retry_interval_minutes),
                "on" if job.active else "off",
            )
            for job in jobs
        ],
    )
    return ExitCode.DONE
