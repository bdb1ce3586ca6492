"""`etl-tui --serve`: the dashboard in a browser, by the optional extra `serve`."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import signal
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput

if TYPE_CHECKING:
    from etl_tui.cli.context import Context

HOST, PORT = "127.0.0.1", 8600


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--serve`, `--host`, `--port`."""
    parser.add_argument("--serve", action="store_true", help="dashboard: in a browser, on this machine")
    parser.add_argument(
        "--host", help=f"of --serve: the address to listen on (default: {HOST}, this machine alone)"
    )
    parser.add_argument(
        "--port", type=_port, help=f"of --serve: its port, 0 for any that is free (default: {PORT})"
    )


def run_server(arguments: argparse.Namespace, context: Context) -> int:
    """Serves until Ctrl-C or SIGTERM.

    Raises:
        InvalidInput: the extra is not installed, a setting is wrong, or the address cannot be listened on.
    """
    if find_spec("textual_serve") is None or find_spec("aiohttp") is None:
        raise InvalidInput("--serve needs another package: pip install 'etl-tui[serve]'")
    _ = context.settings  # what is wrong with them is told here, not in every tab
    return asyncio.run(_serve(arguments, context))


async def _serve(arguments: argparse.Namespace, context: Context) -> int:
    from etl_tui.serve.server import Server, serve

    host = arguments.host or HOST
    port = PORT if arguments.port is None else arguments.port
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of asyncio.run runs in one
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)

    def ready(address: str) -> None:
        context.output.line(f"the dashboard is at {address}")
        context.output.flush()
        if not _is_loopback(host):
            context.output.notice(
                "anybody who learns this address can do what you can, and http is not encrypted: "
                "put a proxy with TLS before it"
            )

    try:
        await serve(Server(_command(arguments)), host, port, ready)
    except asyncio.CancelledError:
        return ExitCode.DONE
    except OSError as error:
        raise InvalidInput(f"cannot listen on {host}, port {port}: {error.strerror or error}") from None
    return ExitCode.DONE


def _command(arguments: argparse.Namespace) -> list[str]:
    """What starts the dashboard of a tab: this program, with what was said of the dashboard."""
    command = [sys.executable, "-P", "-m", "etl_tui"]
    for name in ("context", "theme", "notify"):
        if value := getattr(arguments, name, None):
            command += [f"--{name}", value]
    for name in ("read_only", "ascii"):
        if getattr(arguments, name, False):
            command.append(f"--{name.replace('_', '-')}")
    return command


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)
