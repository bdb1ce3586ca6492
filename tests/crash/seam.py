"""The seam: notes each message that a program sends to PostgreSQL or RabbitMQ, or kills it at one of them.

Production code knows nothing of it. It wraps asyncpg's protocol, the one place through which every statement
goes, and aio-pika's publish and ack. Two environment variables steer it: `CRASH_RECORD` names a file to which
each point is written, `CRASH_AT` the point (as JSON) at which the process kills itself.

Parsing a statement and opening a connection are not points of their own: they change nothing, so a kill there
is a kill before the message that follows. Nor is waiting for the process itself (a page, a thread, a queue).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

RECORD = "CRASH_RECORD"
AT = "CRASH_AT"

Moment = Literal["before", "after"]
"""Before the message is sent, or after its answer has come."""

OURS = ("workers", "scheduler", "etl_core")
ASIDE = {
    "workers.heartbeat",
    "workers.lease_watch",
    "workers.progress",
    "scheduler.duties.heartbeat",
    "etl_core.store.database",
    "etl_core.store.migrations",
    "etl_core.store.migration_bookkeeping",
    "etl_core.broker.listen",
}
"""They tick beside the way of a batch, or are over before it begins."""
STARTING = {"_incarnation", "_register", "_sign_off", "_ask_for_runs"}
"""So are these functions; the last asks for work once everything is done."""


@dataclass(frozen=True, slots=True)
class Point:
    """The `nth` time that this step of the program sends this statement."""

    step: str
    statement: str
    nth: int
    commits: bool = False
    """Whether the answer says that something is committed: COMMIT, or a statement outside a transaction."""

    def __str__(self) -> str:
        return f"{self.step}: {self.statement}" + (f" ({self.nth})" if self.nth > 1 else "")


def environment(
    *, record: Path | None = None, at: Point | None = None, moment: Moment = "before"
) -> dict[str, str]:
    """The variables that make a program record its points, or die at one."""
    told = {RECORD: str(record)} if record else {}
    return told | ({AT: json.dumps({**asdict(at), "moment": moment})} if at else {})


def read_points(record: Path) -> Iterator[Point]:
    """What a program recorded, in order."""
    for line in record.read_text().splitlines():
        yield Point(**json.loads(line))


def install(environ: Mapping[str, str]) -> None:
    """Wraps the drivers as the two variables say; without them nothing is touched."""
    if RECORD not in environ and AT not in environ:
        return
    seam = _Seam(environ)
    _wrap_asyncpg(seam)
    if "ETL_AMQP_URL" in environ:
        _wrap_aio_pika(seam)


class _Seam:
    def __init__(self, environ: Mapping[str, str]) -> None:
        record = environ.get(RECORD)
        self._record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if record else None
        at = json.loads(environ.get(AT, "{}"))
        self._moment = at.pop("moment", None)
        self._at = Point(**at) if at else None
        self._seen: Counter[tuple[str, str]] = Counter()

    async def around(
        self, step: str | None, statement: str, commits: bool, send: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Sends, dead before or after it if this is the point."""
        if step is None or threading.current_thread() is not threading.main_thread():
            return await send()
        self._seen[step, statement] += 1
        point = Point(step, statement, self._seen[step, statement], commits)
        if self._record is not None:
            os.write(self._record, f"{json.dumps(asdict(point))}\n".encode())
        is_it = self._at is not None and (point.step, point.statement, point.nth) == (
            self._at.step,
            self._at.statement,
            self._at.nth,
        )
        if is_it and self._moment == "before":
            _die()
        answer = await send()
        if is_it:
            _die()
        return answer


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()  # not one instruction more


def _wrap_asyncpg(seam: _Seam) -> None:
    from asyncpg.protocol.protocol import Protocol

    names = _query_names()

    def wrap(method: str, text_of: Callable[[Any], str]) -> None:
        original = getattr(Protocol, method)

        async def wrapped(self: Any, *args: Any, **options: Any) -> Any:
            statement = _statement(text_of(next(iter((*args, *options.values())))), names)
            commits = statement == "COMMIT" or (
                statement not in {"BEGIN", "ROLLBACK"} and not self.is_in_transaction()
            )
            return await seam.around(
                _step(sys._getframe(1)),
                statement,
                commits,
                lambda: original(self, *args, **options),
            )

        setattr(Protocol, method, wrapped)

    wrap("query", str)
    wrap("copy_in", lambda _: "COPY")
    for method in ("bind_execute", "bind_execute_many"):
        wrap(method, lambda state: str(state.query))


def _wrap_aio_pika(seam: _Seam) -> None:
    from aio_pika import Exchange, IncomingMessage

    publish: Any = Exchange.publish
    ack: Any = IncomingMessage.ack

    async def publishing(self: Any, message: Any, routing_key: str, **options: Any) -> Any:
        return await seam.around(
            "ring", f"publish {routing_key}", True, lambda: publish(self, message, routing_key, **options)
        )

    async def acknowledging(self: Any, multiple: bool = False) -> Any:
        return await seam.around("rung", f"ack {self.routing_key}", True, lambda: ack(self, multiple))

    setattr(Exchange, "publish", publishing)  # noqa: B010 - mypy: a method
    setattr(IncomingMessage, "ack", acknowledging)  # noqa: B010


def _query_names() -> dict[str, str]:
    """Text of a query -> its name in sql/queries."""
    from etl_core.store.queries import load, names

    found: dict[str, str] = {}
    for file in names():
        queries = load(file)
        for name in queries.available_queries:
            if not name.endswith("_cursor"):  # aiosql has each query a second time as one
                found.setdefault(getattr(queries, name).sql, name)
    return found


def _statement(text: str, names: Mapping[str, str]) -> str:
    if text in names:
        return names[text]
    words = text.replace("(", " ").replace(";", " ").split()
    if words[0] in {"WITH", "INSERT"}:  # composed, as only merges are
        return "merge"
    return " ".join(word for word in words[:3] if word.isupper())


def _step(frame: FrameType | None) -> str | None:
    """The innermost function of ours that sends, as `module.function`; None when it is beside the way."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module == "asyncpg.connection" and frame.f_code.co_name.startswith("_introspect_type"):
            return None  # as parsing: it belongs to the statement behind it
        if module.partition(".")[0] in OURS:
            function = frame.f_code.co_qualname.partition(".<locals>")[0].rpartition(".")[2]
            if module in ASIDE or function in STARTING:
                return None
            return f"{module.rpartition('.')[2]}.{function.lstrip('_')}"
        frame = frame.f_back
    return None
