"""The console entry `etl-tui`: without a command the dashboard, with one a command.

Imports are local to where they are needed: `jobs list` must not pay for the dashboard, the broker or the
scheduler (docs/architecture.md has the figures).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etl_core.errors import ExitCode, InvalidInput
from etl_tui.cli import serving
from etl_tui.cli.context import Context
from etl_tui.cli.failures import INTERRUPTED, READER_GONE, report
from etl_tui.cli.output import Output, ReaderGone
from etl_tui.cli.parser import PROGRAM, Handler, Parser, Subparsers

EPILOG = """\
a job is named by its id or by TENANT/JOB_NAME; from nothing to a first run:
  etl-tui tenants add acme
  etl-tui integrations add acme app --type git --config '{"path": "/srv/app.git"}'
  etl-tui jobs add acme/commits --integration app --schedule 1h
  etl-tui jobs run acme/commits --wait        (with an `etl-worker` running)

environment:
  ETL_DATABASE_URL   PostgreSQL 15 or newer; unset: an embedded server of this user
  ETL_AMQP_URL       RabbitMQ; unset: PostgreSQL carries the queues too
  ETL_SECRET_KEY     keeps secrets of configurations encrypted (docs/secrets.md)
  ETL_CONTEXT        a named database of the settings file (`etl-tui contexts list`)
  ETL_READ_ONLY      1: change nothing
  ETL_TENANT         show only this tenant's jobs
  ETL_CONFIG         a TOML file with the same settings in lower case, without ETL_

exit codes: 0 done, 1 failed, 2 usage or invalid input, 3 not found,
            4 conflict (the state does not allow it), 5 service unreachable
"""


class _Version(argparse.Action):
    """`--version`, read only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **rest: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from etl_core import __version__

        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        parser.exit()


def _register_all(subparsers: Subparsers) -> None:
    """Every command, in the order of the help."""
    from etl_tui.cli import (
        audit,
        checkpoint,
        connectors,
        contexts,
        db,
        demo,
        doctor,
        integrations,
        jobs,
        limits,
        pauses,
        queues,
        rejects,
        runs,
        schedule,
        secrets,
        tenants,
        vectors,
        windows,
        workers,
    )

    for module in (
        db,
        jobs,
        runs,
        rejects,
        checkpoint,
        audit,
        tenants,
        integrations,
        connectors,
        secrets,
        contexts,
        pauses,
        limits,
        windows,
        workers,
        schedule,
        queues,
        vectors,
        doctor,
        demo,
    ):
        module.register(subparsers)


def _only_dashboard(argv: Sequence[str]) -> bool:
    """Whether nothing but options of the dashboard stand there: its start need not wait for the commands."""
    return all(word.startswith("-") for word in argv) and not {"-h", "--help"}.intersection(argv)


def build_parser(argv: Sequence[str]) -> Parser:
    """The grammar for this line, without the program's name; each command's module adds its own."""
    parser = Parser(
        prog=PROGRAM,
        description="Autonomous ETL jobs on PostgreSQL. Without a command: the dashboard.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    parser.add_argument("--ascii", action="store_true", help="dashboard: no glyphs beyond ASCII")
    parser.add_argument(
        "--theme", choices=("auto", "dark", "light", "ansi"), help="dashboard: its colours (default: auto)"
    )
    parser.add_argument(
        "--notify",
        choices=("off", "bell", "desktop"),
        help="dashboard: tell of a job that begins to fail (default: off)",
    )
    parser.add_argument("--no-mouse", action="store_true", help="dashboard: leave the mouse to the terminal")
    serving.add_options(parser)
    subparsers = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    if not _only_dashboard(argv):
        _register_all(subparsers)
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; every error has been told when it returns."""
    command = "?"
    try:
        words = sys.argv[1:] if argv is None else argv
        arguments = build_parser(words).parse_args(words)
        command = arguments.command or "dashboard"
        output = Output(json=getattr(arguments, "json", False))
        handler: Handler | None = getattr(arguments, "handler", None)
        if handler is None:
            code = _run_dashboard(arguments, output)
        else:
            code = asyncio.run(_run_handler(handler, arguments, output))
        output.flush()
    except SystemExit as end:  # argparse: help, version, usage
        return end.code if isinstance(end.code, int) else ExitCode.FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except ReaderGone:
        # The interpreter flushes once more at its end, which must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except Exception as error:
        return report(error, command)
    return code


async def _run_handler(handler: Handler, arguments: argparse.Namespace, output: Output) -> int:
    return await handler(arguments, _context(arguments, output))


def _context(arguments: argparse.Namespace, output: Output) -> Context:
    said = {name: getattr(arguments, name, None) for name in ("read_only", "theme", "notify")}
    overrides = {name: value for name, value in said.items() if value is not None}
    return Context(output, context=getattr(arguments, "context", None), **overrides)


def _run_dashboard(arguments: argparse.Namespace, output: Output) -> int:
    if output.json:
        raise InvalidInput("--json needs a command; `etl-tui --help` lists them")
    context = _context(arguments, output)
    if arguments.serve:
        return serving.run_server(arguments, context)
    if arguments.host or arguments.port is not None:
        raise InvalidInput("--host and --port belong to --serve")
    # Textual reads the keys from stdin and draws on stderr.
    is_served = "TEXTUAL_DRIVER" in os.environ  # a page of `--serve` is its terminal
    if not is_served and not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput("the dashboard needs a terminal; `etl-tui jobs list` prints the jobs without one")
    if os.environ.get("TERM") == "dumb":  # Textual would paint for ever and hear no key
        raise InvalidInput("TERM=dumb cannot show the dashboard; `etl-tui jobs list` prints the jobs")
    from etl_tui.app.launch import run_dashboard

    return run_dashboard(
        context.settings,
        settings_in=context.settings_in,
        ascii=arguments.ascii,
        mouse=not arguments.no_mouse,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """The console entry; ends the process with the exit codes of `etl_core.errors.ExitCode`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before we began (`2>&-`)
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - until the end
    sys.exit(run(argv))
