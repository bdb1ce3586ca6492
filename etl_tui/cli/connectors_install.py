"""`etl-tui connectors install`: a Singer tap, in a venv of its own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DESCRIPTION = """\
Installs a Singer tap from PyPI on this machine, for this user, in a venv of its own (with uv where it is
there). It is needed where workers run; a worker runs it when its ETL_ALLOW_COMMANDS names `taps`
(docs/singer.md). Installed once more, it is replaced."""


def register(group: Subparsers) -> None:
    """Adds `connectors install`."""
    install = add_command(
        group,
        "install",
        install_one,
        summary="install a Singer tap, in a venv of its own",
        description=DESCRIPTION,
        example="etl-tui connectors install tap-spreadsheets",
    )
    install.add_argument("tap", metavar="TAP", help="package of PyPI, tap-NAME or tap-NAME==VERSION")


async def install_one(arguments: argparse.Namespace, context: Context) -> int:
    """Installs a tap; `--json`: its InstalledTap."""
    from etl_core.control.tap_install import install_tap

    tap = await install_tap(arguments.tap)
    if context.output.json:
        context.output.emit(tap)
    else:
        context.output.line(f"{tap.name} {tap.version} installed, licence: {tap.licence}")
    return ExitCode.DONE
