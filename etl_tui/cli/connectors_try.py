"""`etl-tui connectors try`: what a connector asks and yields, without writing anything."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_core.errors import ExitCode, InvalidInput
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command
from etl_tui.cli.quantities import count

if TYPE_CHECKING:
    from etl_core.models.connector_trial import ConnectorTrial
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DESCRIPTION = """\
Reads the beginning of a source as a first run would, and shows each request, each page and the rows; nothing
is written, no checkpoint is moved. WHAT is a manifest's file (*.yaml), the name of a shipped manifest, or an
integration type. Secrets are given as references (env:NAME, file:/path) and never shown.
Exit code: 0 it was read, 1 the source refused or the manifest is wrong, 5 the source did not answer."""
_MANIFESTS = (".yaml", ".yml")
_WIDEST = 60
"""Characters of a value in the table."""


def register(group: Subparsers) -> None:
    """Adds `connectors try`."""
    trial = add_command(
        group,
        "try",
        try_one,
        summary="show what a connector or manifest asks and yields, without writing anything",
        description=DESCRIPTION,
        example="etl-tui connectors try shop.yaml --stream orders --var url=https://shop.example.com "
        "--secret token=env:SHOP_TOKEN",
    )
    trial.add_argument("what", metavar="WHAT", help="manifest file, shipped manifest, or integration type")
    trial.add_argument("--stream", metavar="S", help="only this stream; default: the first that yields")
    trial.add_argument("--limit", metavar="N", default="20", help="rows at most; default: 20")
    trial.add_argument("--var", metavar="K=V", action="append", default=[], help="a variable of the manifest")
    trial.add_argument(
        "--secret", metavar="K=REF", action="append", default=[], help="a secret of it, as a reference"
    )
    trial.add_argument("--config", metavar="JSON|@FILE", help="the rest of the configuration, or all of it")


async def try_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints requests, pages and rows; `--json`: a ConnectorTrial."""
    from etl_core.control.connector_trial import try_connector

    context.silence_logs()
    kind, config = _integration(arguments)
    trial = await try_connector(
        kind, config, stream=arguments.stream, limit=count("--limit", arguments.limit)
    )
    if context.output.json:
        context.output.emit(trial)
    else:
        _tell(trial, context)
    if trial.error is None:
        return ExitCode.DONE
    return ExitCode.UNREACHABLE if trial.may_pass else ExitCode.FAILED


def _integration(arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The integration type and its configuration."""
    from etl_core.connectors_registry import connector_types
    from etl_tui.cli.integrations import read_config

    config = read_config(arguments.config) if arguments.config else {}
    is_file = arguments.what.endswith(_MANIFESTS) or "/" in arguments.what
    if not is_file and arguments.what in connector_types():
        if arguments.var or arguments.secret:
            raise InvalidInput("--var and --secret are for manifests; give --config")
        return arguments.what, config
    manifest = str(Path(arguments.what).expanduser().absolute()) if is_file else arguments.what
    variables = {**config.get("variables", {}), **dict(_pair("--var", text) for text in arguments.var)}
    secrets = {**config.get("secrets", {}), **dict(_pair("--secret", text) for text in arguments.secret)}
    return "rest", {**config, "manifest": manifest, "variables": variables, "secrets": secrets}


def _pair(option: str, text: str) -> tuple[str, Any]:
    """`name=value`; a value that begins with [ is a JSON list. Raises InvalidInput, without the value."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput(f"{option}: give NAME=VALUE")
    if value.startswith("["):
        try:
            return name, json.loads(value)
        except json.JSONDecodeError:
            raise InvalidInput(f"{option} {name}: begins as a JSON list and is none") from None
    return name, value


def _tell(trial: ConnectorTrial, context: Context) -> None:
    line = context.output.line
    for call in trial.calls:
        answer = "answered" if call.status is None else f"{call.status}, {call.bytes:,} bytes"
        ended = call.error or answer
        line(one_line(f"{call.what}  ->  {ended}, {call.milliseconds} ms"))
    for number, page in enumerate(trial.pages, 1):
        held = ", ".join(f"{records} {stream}" for stream, records in page.records.items()) or "no records"
        gone = "".join(f", {keys} deleted {stream}" for stream, keys in page.deleted.items())
        refused = f", {page.rejected} that are no records" if page.rejected else ""
        line(f"page {number}: {held}{gone}{refused}")
        for place in page.checkpoint:
            line(f"  behind it: {one_line(place)}")
        for failure in page.failures:
            line(f"  failed: {one_line(failure)}")
    for stream, rows in trial.rows.items():
        line(f"{stream}: {len(rows)} rows, key {', '.join(trial.keys[stream]) or 'none (append only)'}")
        _table(rows, context)
    for refused in trial.refused:
        line(one_line(f"refused: {refused}"))
    if trial.error:
        line(one_line(trial.error))
    elif trial.is_cut:
        line("there is more; --limit shows it")


def _table(rows: list[dict[str, Any]], context: Context) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    context.output.table(names, [[_cell(row.get(name)) for name in names] for row in rows])


def _cell(value: Any) -> object:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
