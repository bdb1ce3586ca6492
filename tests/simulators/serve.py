"""Serving a simulator: in the test's own event loop, in a thread, or as a process of its own.

Importable without pytest, for the demo starts simulators too.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from aiohttp import web

MakeApp = Callable[[], web.Application]
_READY = "serving on "
_PATIENCE = 30.0
"""Seconds in which a simulator must be up."""


@asynccontextmanager
async def serving(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """Serves within the running event loop; yields the address, `http://127.0.0.1:<port>`."""
    listening = _listen(port)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        await runner.cleanup()
        listening.close()


@contextmanager
def serving_in_thread(make_app: MakeApp, port: int = 0) -> Iterator[str]:
    """Serves from a thread with an event loop of its own, so that programs may be waited for in this one.

    What the application holds may be looked at from here; a lock is up to it.
    """
    address: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        try:
            async with serving(make_app(), port) as url:
                address.append(url)
                ready.set()
                await ended.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    if not ready.wait(_PATIENCE) or not address:
        raise RuntimeError("the simulator did not come up")
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(_PATIENCE)
        if not thread.is_alive():
            loop.close()


@contextmanager
def serving_as_process(module: str, *arguments: str) -> Iterator[str]:
    """Serves as `python -m <module>`, which calls `main`; ends with the block, and with this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--with-parent", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith(_READY):
            raise RuntimeError(f"{module} did not come up: it said {line!r}")
        yield line.removeprefix(_READY).strip()
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        if process.stdin:
            process.stdin.close()


def main(
    make_app: Callable[[argparse.Namespace], web.Application],
    *,
    describe: str,
    arguments: Callable[[argparse.ArgumentParser], None] | None = None,
    argv: Sequence[str] | None = None,
) -> int:
    """The command line of a simulator: `--port`, `--seed`, `--faults` and what `arguments` adds.

    Prints `serving on http://127.0.0.1:<port>` once it answers; ends by SIGTERM, Ctrl-C, or with its parent.
    """
    parser = argparse.ArgumentParser(description=describe)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--seed", type=int, default=0, help="of the world and of the faults")
    parser.add_argument("--faults", type=float, default=0.0, help="share of the calls that meet one, 0 to 1")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin is closed")
    if arguments:
        arguments(parser)
    args = parser.parse_args(argv)
    asyncio.run(_serve_until_ended(make_app(args), args.port, args.with_parent))
    return 0


async def _serve_until_ended(app: web.Application, port: int, with_parent: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if with_parent:
        threading.Thread(target=_await_parent, args=(loop, ended), daemon=True).start()
    async with serving(app, port) as url:
        print(f"{_READY}{url}", flush=True)
        await ended.wait()


def _await_parent(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    with suppress(OSError, ValueError):
        sys.stdin.buffer.read()
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(ended.set)


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(128)
    return listening
