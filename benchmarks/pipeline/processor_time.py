"""Processor time of a load: what others do on the machine meanwhile changes it less than the clock's time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

Used = tuple[float, float]
"""Seconds of the clients and of the server."""


def meter(postgres: Path, clients: Iterable[int] = ()) -> Callable[[], Used]:
    """Reads what has been used so far.

    Clients are this process, the children that it has waited for, and the running ones of `clients` (pids).
    The server, whose folder is `postgres`, is its first process, what that has waited for, and what runs.
    """
    first = psutil.Process(int((postgres / "data" / "postmaster.pid").read_text().split()[0]))
    others = [psutil.Process(pid) for pid in clients]

    def read() -> Used:
        own = os.times()
        of_clients = own.user + own.system + own.children_user + own.children_system
        of_clients += sum(map(_of, others))
        times = first.cpu_times()
        of_server = times.user + times.system + times.children_user + times.children_system
        of_server += sum(map(_of, first.children()))
        return of_clients, of_server

    return read


def _of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
