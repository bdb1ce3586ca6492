"""Who wants to see the calls that connectors make: `connectors try` shows them, nobody else listens.

::

    with listening(calls.append):
        async for page in connector.extract(context):
            ...

A connector that uses `workers.http` is heard without doing anything for it; another tells by `tell_call`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from etl_core.secret_values import mask


@dataclass(frozen=True, slots=True)
class SourceCall:
    """One call, and how it ended. Nothing of it is secret."""

    what: str
    """Method and URL, or what a call is called there."""
    status: int | None
    """Of HTTP; None where it is another protocol, or there was no answer."""
    milliseconds: int
    bytes: int = 0
    """Of the answer's body."""
    error: str | None = None
    """Why there was no answer."""


_listener: ContextVar[Callable[[SourceCall], None] | None] = ContextVar("listener", default=None)


@contextmanager
def listening(tell: Callable[[SourceCall], None]) -> Iterator[None]:
    """Calls of this task and those that it starts are told to `tell` while it is open."""
    token = _listener.set(tell)
    try:
        yield
    finally:
        _listener.reset(token)


def tell_call(
    what: str | Callable[[], str],
    *,
    status: int | None,
    seconds: float,
    size: int = 0,
    error: str | None = None,
) -> None:
    """Tells of a call, if somebody listens; secrets that this process knows are masked.

    `what` may be a function: it is called only then.
    """
    tell = _listener.get()
    if tell is not None:
        what = what if isinstance(what, str) else what()
        masked = None if error is None else mask(error)
        tell(SourceCall(mask(what), status, round(seconds * 1_000), size, masked))
