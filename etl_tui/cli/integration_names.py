"""How an integration is named on the command line: `TENANT NAME`, or in one word `TENANT/NAME`."""

from __future__ import annotations

import argparse

from etl_core.errors import InvalidInput


def add_names(parser: argparse.ArgumentParser, what: str = "the integration") -> None:
    """The arguments that `names_of` reads; `what` is told of the name."""
    parser.add_argument("tenant", metavar="TENANT", help="whose it is")
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help=f"{what}; or both in one word, as TENANT/NAME"
    )


def names_of(arguments: argparse.Namespace) -> tuple[str, str]:
    """Tenant and name.

    Raises:
        InvalidInput: one of them is missing.
    """
    if arguments.name is not None:
        return arguments.tenant, arguments.name
    tenant, _, name = arguments.tenant.partition("/")
    if not (tenant and name):
        raise InvalidInput(
            f"{arguments.tenant!r}: name tenant and integration, as in `acme app` or `acme/app`"
        )
    return tenant, name
