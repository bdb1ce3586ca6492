"""`etl-tui integrations`: the external systems of a tenant."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_core.errors import ExitCode, InvalidInput
from etl_tui.cli import integration_trial, vectors
from etl_tui.cli.integration_names import add_names, names_of
from etl_tui.cli.parser import add_command, add_group
from etl_tui.cli.quantities import count_or_none

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DESCRIPTION = """\
A new integration of a tenant, checked by its connector. A secret is given as a reference only and read where
the job runs: env:NAME (an environment variable of the worker), file:/path (a file on the worker's machine) or
keyring:SERVICE/NAME. One in clear is refused; in an @FILE it is kept encrypted where ETL_SECRET_KEY
is set. Give it to a job with `etl-tui jobs settings JOB --integration NAME`, or make a job on it with
`etl-tui jobs add`."""


def register(subparsers: Subparsers) -> None:
    """Adds `integrations list|add|set|test|vectorize`."""
    add_group(
        subparsers,
        "integrations",
        "list, add and change integrations, the systems that jobs read from",
        _add_commands,
    )


def _add_commands(group: Subparsers) -> None:
    listing = add_command(
        group,
        "list",
        list_all,
        summary="all integrations, with how many jobs use each",
        example="etl-tui integrations list --tenant acme",
    )
    listing.add_argument(
        "--tenant", metavar="NAME", help="only this tenant's (default: ETL_TENANT, else all)"
    )
    add = add_command(
        group,
        "add",
        add_one,
        summary="a new integration of a tenant",
        description=DESCRIPTION,
        example="""etl-tui integrations add acme app --type git --config '{"path": "/srv/app.git"}'""",
    )
    add_names(add, "what it is called, unique in the tenant")
    add.add_argument(
        "--type", required=True, metavar="TYPE", help="the connector; `etl-tui connectors list` lists them"
    )
    add.add_argument(
        "--config", required=True, metavar="JSON|@FILE", help="a JSON object, or @ and a file with one"
    )
    add.add_argument(
        "--max-runs",
        metavar="N",
        help="runs at once, or none; default: 1 for an API, none for files, git and synthetic",
    )

    change = add_command(
        group,
        "set",
        set_config,
        summary="another configuration for an integration, or another way to load",
        description="--config replaces the whole configuration. Runs that have begun go on with the old one.",
        example="""etl-tui integrations set acme app --config '{"path": "/srv/new.git"}'""",
    )
    add_names(change, "what it is called")
    change.add_argument("--config", metavar="JSON|@FILE", help="a JSON object, or @ and a file with one")
    change.add_argument(
        "--schema-mode",
        choices=("evolve", "freeze", "quarantine"),
        help="new fields: widen the table, leave them out, or keep their records back",
    )
    change.add_argument(
        "--destination",
        metavar="REF|URL|none",
        help="another PostgreSQL for its rows: env:NAME, file:/path, or a URL without a password",
    )
    integration_trial.register(group)
    vectors.register_vectorize(group)


async def list_all(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the integrations; `--json`: an array of IntegrationRow."""
    from etl_core.control.integrations import list_integrations

    tenant = arguments.tenant or context.settings.tenant
    async with context.connection() as conn:
        integrations = await list_integrations(conn, tenant=tenant)
    if context.output.json:
        context.output.emit(integrations)
    elif not integrations:
        context.output.line("no integrations yet; `etl-tui integrations add --help` shows how to make one")
    else:
        context.output.table(
            ("ID", "TENANT", "INTEGRATION", "TYPE", "JOBS", "AT ONCE", "NOTE"),
            [
                (
                    row.id,
                    row.tenant,
                    row.name,
                    row.type,
                    row.jobs,
                    row.max_runs,
                    row.wait_reason if row.ready_at else None,
                )
                for row in integrations
            ],
        )
    return ExitCode.DONE


async def add_one(arguments: argparse.Namespace, context: Context) -> int:
    """Adds an integration; `--json`: its IntegrationRow."""
    from etl_core.control.audit import Actor
    from etl_core.control.integrations import add_integration

    tenant, name = names_of(arguments)
    config = read_config(arguments.config)
    limit = {}
    if arguments.max_runs is not None:
        limit["max_runs"] = count_or_none("--max-runs", arguments.max_runs)
    async with context.connection() as conn:
        row = await add_integration(
            conn,
            tenant=tenant,
            name=name,
            integration_type=arguments.type,
            config=config,
            actor=Actor.current(),
            seen_by_others=_is_seen(arguments.config),
            **limit,
        )
    if context.output.json:
        context.output.emit(row)
    else:
        context.output.line(
            f"integration {row.tenant}/{row.name} of type {row.type} added; "
            f"`etl-tui jobs settings {row.tenant}/JOB --integration {row.name}` gives it to a job"
        )
    return ExitCode.DONE


async def set_config(arguments: argparse.Namespace, context: Context) -> int:
    """Changes configuration and loading; `--json`: the IntegrationRow."""
    from etl_core.control.audit import Actor
    from etl_core.control.integration_loading import change_loading
    from etl_core.control.integrations import change_config

    destination = arguments.destination
    if arguments.config is None and arguments.schema_mode is None and destination is None:
        raise InvalidInput("nothing to change: give --config, --schema-mode or --destination")
    tenant, name = names_of(arguments)
    which: dict[str, Any] = {"tenant": tenant, "name": name, "actor": Actor.current()}
    config = read_config(arguments.config) if arguments.config is not None else None
    async with context.connection() as conn, conn.transaction():
        if config is not None:
            row = await change_config(conn, config=config, seen_by_others=_is_seen(arguments.config), **which)
        if arguments.schema_mode is not None or destination is not None:
            if destination is not None:
                which["destination_url"] = None if destination == "none" else destination
            row = await change_loading(conn, schema_mode=arguments.schema_mode, **which)
    if context.output.json:
        context.output.emit(row)
    else:
        told = "its new configuration" if config is not None else "been changed"
        context.output.line(f"integration {row.tenant}/{row.name} has {told}")
    return ExitCode.DONE


def _is_seen(argument: str) -> bool:
    """Whether everyone on the machine can read what `--config` gives: arguments are, a file need not be."""
    return not argument.startswith("@")


def read_config(argument: str) -> dict[str, Any]:
    """The object that `--config` gives, in place or as `@file`.

    Raises:
        InvalidInput: the file cannot be read, or it is no JSON object; with line and column, never the text,
            which may hold a secret.
    """
    text, where = argument, "--config"
    if argument.startswith("@"):
        where = argument[1:]
        try:
            text = Path(where).expanduser().read_text(encoding="utf-8-sig")
        except OSError as error:
            raise InvalidInput(f"--config @{where}: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise InvalidInput(f"--config @{where}: not a text file in UTF-8") from None
    try:
        config = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{where}: not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where}: {error}") from None
    if not isinstance(config, dict):
        raise InvalidInput(f'{where}: a JSON object is wanted, as in {{"path": "..."}}')
    return config


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the field {name!r} comes twice")
        fields[name] = value
    return fields


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON value")
