"""How much is asked for at once: half after GitHub gave up, and slowly more again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from etl_core.errors import Transient
from workers.connectors.github.answers import is_overload
from workers.http import BodyTooLarge

T = TypeVar("T")

FIRST_WAIT = 0.5
"""Seconds before the smallest page is asked for again; doubles with each."""
_PATIENCE = 5
"""Tries with the smallest page."""
_GROWS_AFTER = 5
"""Good answers in a row."""
_SMALLEST_LIST = 2


class GivenUp(Transient):
    """Even the smallest page was too much."""


class PageSize:
    """Of one kind of query: `first` for its list, `nested` for the lists in it."""

    def __init__(self, most: int, *, most_nested: int = 20) -> None:
        self._most = most
        self._most_nested = most_nested
        self._good = 0
        self.first = most
        self.nested = most_nested

    @property
    def inner(self) -> int:
        """For lists with lists in them."""
        return max(_SMALLEST_LIST, self.nested // 2)

    def shrink(self) -> bool:
        """Halves; False when it was the smallest."""
        self._good = 0
        if self.first > 1:
            self.first = max(1, self.first // 2)
        elif self.nested > _SMALLEST_LIST:
            self.nested = max(_SMALLEST_LIST, self.nested // 2)
        else:
            return False
        return True

    def grow(self) -> None:
        """After each good answer; a quarter more after five."""
        self._good += 1
        if self._good < _GROWS_AFTER:
            return
        self._good = 0
        if self.nested < self._most_nested:
            self.nested = min(self._most_nested, self.nested * 2)
        else:
            self.first = min(self._most, self.first + max(1, self.first // 4))

    async def fit(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, asked for in smaller pages until GitHub can give it.

        Raises:
            GivenUp: even the smallest was too much, five times.
        """
        tries = 0
        while True:
            try:
                answer = await ask()
            except (Transient, BodyTooLarge) as error:
                if not is_overload(error):
                    raise
                if not self.shrink():
                    tries += 1
                    if tries >= _PATIENCE:
                        raise GivenUp(str(error)) from None
                    await asyncio.sleep(FIRST_WAIT * 2**tries)
            else:
                self.grow()
                return answer
