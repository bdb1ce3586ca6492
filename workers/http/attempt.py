"""One attempt to get an answer: how it ended, and who hears of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from etl_core.errors import SourceError
from etl_core.source_calls import tell_call
from workers.http.address import shown
from workers.http.broken import translate

T = TypeVar("T")


async def make_attempt(
    method: str,
    url: httpx.URL,
    exchange: Awaitable[T | SourceError],
    outcome: Callable[[T], tuple[int, int]],
) -> T | SourceError:
    """What the exchange gives; errors are returned, for nothing may chain them to httpx's.

    `outcome` is the status of an answer and the bytes of its body, for those who listen.
    """

    def told() -> str:  # costs a fifth of a call, so only when somebody is to read it
        return f"{method} {shown(url)}"

    began_at = time.monotonic()
    answer: T | SourceError
    try:
        answer = await exchange
    except SourceError as error:
        error.__context__ = None
        answer = error
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
        answer = translate(told(), error)
    seconds = time.monotonic() - began_at
    if isinstance(answer, SourceError):
        tell_call(told, status=None, seconds=seconds, error=str(answer))
    else:
        status, size = outcome(answer)
        tell_call(told, status=status, seconds=seconds, size=size)
    return answer
