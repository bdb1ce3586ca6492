"""The command line's grammar: one-line errors, `--json`, `--context` and `--read-only` anywhere on the line,
an example in every help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from etl_core.errors import ExitCode
from etl_tui.cli.output import one_line

if TYPE_CHECKING:
    from etl_tui.cli.context import Context

PROGRAM = "etl-tui"

Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What `ArgumentParser.add_subparsers` returns; argparse gives it no public name."""

Handler = Callable[[argparse.Namespace, "Context"], Awaitable[int]]
"""What a command does: returns its exit code, or raises an EtlError to end with one line and its code."""


class Parser(argparse.ArgumentParser):
    """Every command takes `--json`, `--context` and `--read-only`; a wrong line is told in one, where
    argparse would print its whole usage.

    Each parser below this one is of the same class, so these may stand anywhere on the line.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        options["allow_abbrev"] = False  # `--sched` in a script must not change its meaning some day
        super().__init__(*args, **options)
        self.fill: Callable[[Subparsers], None] | None = None
        """Adds the commands of a group, once it is known to be the one that is meant."""
        # Suppressed: a parser that does not find it leaves what the one before it found.
        self.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document"
        )
        is_first = self.prog == PROGRAM  # the help of each command need not repeat them
        self.add_argument(
            "--context",
            metavar="NAME",
            default=argparse.SUPPRESS,
            help="a named database of the settings file" if is_first else argparse.SUPPRESS,
        )
        self.add_argument(
            "--read-only",
            action="store_true",
            default=argparse.SUPPRESS,
            help="change nothing" if is_first else argparse.SUPPRESS,
        )

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        if self.fill:
            fill, self.fill = self.fill, None
            fill(self.add_subparsers(title="commands", metavar="COMMAND", required=True))
        return super().parse_known_args(*args, **options)

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {one_line(message)}; see `{self.prog} --help`\n")
        sys.exit(ExitCode.INVALID)


def add_group(
    subparsers: Subparsers, name: str, summary: str, commands: Callable[[Subparsers], None]
) -> None:
    """A command that only holds others (`jobs`): without one of them it is an error that lists them.

    `commands` adds those. It is called for the group on the line: all of them together take a tenth of the
    time of a short command.
    """
    group = subparsers.add_parser(name, help=summary, description=_sentence(summary))
    group.fill = commands


def add_command(
    subparsers: Subparsers,
    name: str,
    handler: Handler,
    *,
    summary: str,
    example: str,
    description: str | None = None,
) -> argparse.ArgumentParser:
    """A command with its handler; `summary` stands in the list above it, `example` ends its own help."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=description or _sentence(summary),
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler)
    return parser


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."
