"""Procrastinate as its users run it: a task that only says that it ran; its job rows are kept."""

from __future__ import annotations

import os

import procrastinate

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_DATABASE_URL"]),
    import_paths=[],
)
_done = os.open(os.environ["BENCH_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


async def _noop() -> None:
    os.write(_done, b".")


noop = app.task(name="noop")(_noop)
