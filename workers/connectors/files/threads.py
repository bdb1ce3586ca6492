"""Blocking reads in a thread, so that heartbeats and cancelling go on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE_S = 1.0
"""How long a cancelled run waits for its thread to notice; a read that hangs (NFS) is left behind."""


async def in_thread(stop: threading.Event, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `function` in a thread; when cancelled, sets `stop` and waits briefly until it has returned."""
    call = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        stop.set()
        # Whatever it still raises, nobody waits for any more.
        call.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({call}, timeout=_PATIENCE_S)
        raise
