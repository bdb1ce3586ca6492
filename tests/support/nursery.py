"""A nursery: a process that has imported the programs once and forks one whenever it is asked to.

Tests start hundreds of programs; each would import for a second. What is forked is a process like any other:
it runs the `main` of its program with a standard input, a log and an environment of its own, and dies by
SIGKILL as one does. That programs start from nothing, too, is what tests of `python -m` and commands prove.

`python -m tests.support.nursery` reads a JSON document a line from stdin (`Order`) and writes one a line to
stdout: `{"started": number, "pid": pid}`, `{"ended": pid, "status": exit code, or minus the signal}`. When
stdin ends, so do all.
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import signal
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import NoReturn, TypedDict

PROGRAMS = ("scheduler", "workers")
USED = (
    "etl_core.broker.amqp",
    "etl_core.broker.postgres",
    "etl_core.budgets",
    "etl_core.contexts",
    "scheduler.__main__",
    "scheduler.process",
    "workers.__main__",
    "workers.allocator",
    "workers.connectors.files",
    "workers.connectors.synthetic",
    "workers.process",
)


class Order(TypedDict, total=False):
    """One program to be started, or (with `close` alone) one whose standard input is to end."""

    number: int
    program: str
    arguments: list[str]
    environment: dict[str, str]
    log: str
    first: str | None
    """`module:function`, called with the environment before the program begins."""
    close: int
    """A pid."""


def main() -> None:
    """Serves until stdin ends."""
    _import_programs()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    children: dict[int, int] = {}  # pid -> the end of its standard input that is ours
    unread = b""
    while True:
        readable, _, _ = select.select([0, woken], [], [])
        if woken in readable:
            os.read(woken, 4096)
            _reap(children)
        if 0 in readable:
            read = os.read(0, 65536)
            if not read:
                break
            *orders, unread = (unread + read).split(b"\n")
            for line in orders:
                order: Order = json.loads(line)
                if "close" in order:
                    _close_stdin(children, order["close"])
                else:
                    _start(order, (woken, wake), children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _import_programs() -> None:
    for module in USED:
        import_module(module)
    from etl_core.store.queries import load, names

    for name in names():
        load(name)
    gc.collect()
    gc.freeze()


def _start(order: Order, ours: tuple[int, ...], children: dict[int, int]) -> None:
    stdin, feed = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be(order, stdin, (*ours, feed, *(end for end in children.values() if end >= 0)))
    os.close(stdin)
    children[pid] = feed
    _tell({"started": order["number"], "pid": pid})


def _be(order: Order, stdin: int, ours: tuple[int, ...]) -> NoReturn:
    """In the child: becomes the program."""
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number, source in enumerate((stdin, log, log)):
            os.dup2(source, number)
        for number in (*ours, stdin, log):
            os.close(number)
        random.seed()
        os.environ.clear()
        os.environ.update(order["environment"])
        status = _run(order)
    except SystemExit as asked:
        status = asked.code if isinstance(asked.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _run(order: Order) -> int:
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if first := order.get("first"):
        module, _, function = first.partition(":")
        getattr(import_module(module), function)(os.environ)
    run = import_module(f"{order['program']}.__main__").main
    status: int = run(order["arguments"])
    return status


def _close_stdin(children: dict[int, int], pid: int) -> None:
    if children.get(pid, -1) >= 0:
        os.close(children[pid])
        children[pid] = -1


def _reap(children: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _close_stdin(children, pid)
            children.pop(pid, None)
            _tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _tell(what: dict[str, int]) -> None:
    os.write(1, f"{json.dumps(what)}\n".encode())


if __name__ == "__main__":
    main()
