"""A nursery: a process that has imported the programs once and forks one whenever it is asked to.

A matrix starts hundreds of programs; each would import for a second. What is forked is a process like any
other: it runs the `main` of its program, and dies by SIGKILL as one does.

`python -m tests.crash.nursery` reads a JSON document a line from stdin (`Order`) and writes one a line to
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


class Order(TypedDict):
    """One program to be started."""

    number: int
    program: str
    arguments: list[str]
    environment: dict[str, str]
    log: str


def main() -> None:
    """Serves until stdin ends."""
    _import_programs()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    # The programs' stdin: it ends when the last process that holds `alive` does, which is this one.
    stdin, alive = os.pipe()
    ours = (woken, wake, alive)
    children: set[int] = set()
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
            for order in orders:
                _start(json.loads(order), stdin, ours, children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _import_programs() -> None:
    for program in (
        "etl_core.broker.amqp",
        "etl_core.broker.postgres",
        "scheduler.process",
        "workers.process",
    ):
        import_module(program)
    import_module("workers.connectors.synthetic")
    from etl_core.store.queries import load, names

    for name in names():
        load(name)
    gc.collect()
    gc.freeze()


def _start(order: Order, stdin: int, ours: tuple[int, ...], children: set[int]) -> None:
    pid = os.fork()
    if pid == 0:
        _be(order, stdin, ours)
    children.add(pid)
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
        os.environ.update(order["environment"])
        status = _run(order["program"], order["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _run(program: str, arguments: list[str]) -> int:
    from tests.crash.seam import install

    install(os.environ)
    if program == "workers":
        from workers.__main__ import main as run
    else:
        from scheduler.__main__ import main as run
    return run([*arguments, "--with-parent"])


def _reap(children: set[int]) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            children.discard(pid)
            _tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _tell(what: dict[str, int]) -> None:
    os.write(1, f"{json.dumps(what)}\n".encode())


if __name__ == "__main__":
    main()
