"""A body that ends with an error when it is too large, whoever reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx


class Limited(httpx.AsyncByteStream):
    """Another stream, of at most so many bytes as they come over the wire."""

    def __init__(self, stream: object, most: int, error: Callable[[], Exception]) -> None:
        """`error` makes what is raised past `most`; it is told only then what was asked."""
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("the answer of an asynchronous client is wanted")
        self._stream = stream
        self._most = most
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for piece in self._stream:
            read += len(piece)
            if read > self._most:
                raise self._error()
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
