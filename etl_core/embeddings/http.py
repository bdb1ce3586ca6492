"""An OpenAI-compatible endpoint: `POST <url>/embeddings`, as Ollama, vLLM, LiteLLM and others serve it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from etl_core.embeddings.protocol import EXTRA_MISSING, EmbedderConfig, Vector, check_vectors
from etl_core.errors import BadRecord, Permanent, RateLimited, SourceError, Transient, Unauthorised

try:
    import httpx
except ImportError:
    raise Permanent(EXTRA_MISSING) from None

TIMEOUT: Final = 60.0
"""Seconds for a whole answer, a model that is loaded first included."""
DEFAULT_WAIT: Final = timedelta(seconds=30)
"""After a 429 that does not say how long."""
LONGEST_WAIT: Final = timedelta(days=1)
MAX_ANSWER: Final = 256 * 1024 * 1024
"""Bytes; 2,048 vectors of 4,096 numbers have about 180 MB as JSON."""
_REFUSED: Final = {400, 413, 422}
"""What endpoints answer to a text that is too long, and to much else."""


class HttpEmbedder:
    """A client of one model; a context that closes its connections."""

    def __init__(self, config: EmbedderConfig, *, api_key: str | None, timeout: float = TIMEOUT) -> None:
        self._config = config
        self._address = f"{(config.url or '').rstrip('/')}/embeddings"
        self._api_key = api_key
        self._timeout = timeout
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        # The error of whoever would send it repeats the whole header.
        if self._api_key and not (self._api_key.isascii() and self._api_key.isprintable()):
            raise Unauthorised(f"{self._address}: its key holds characters that cannot be sent")
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        self._client = await self._stack.enter_async_context(
            httpx.AsyncClient(headers=headers, timeout=self._timeout)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        if not texts:
            return []
        body = {"model": self._config.model, "input": list(texts), "encoding_format": "float"}
        try:
            async with asyncio.timeout(self._timeout):  # httpx counts from byte to byte
                status, headers, content = await self._post(body)
        except (TimeoutError, httpx.TimeoutException):
            raise Transient(f"{self._address}: no answer within {self._timeout:g} s") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Permanent(f"{self._address}: {error}; set another --url") from None
        except httpx.HTTPError as error:
            told = str(error) or type(error).__name__
            raise Transient(f"{self._address}: {told}; is the server running there?") from None
        if status != httpx.codes.OK:
            raise self._failure(status, headers, content)
        return check_vectors(self._read(content), texts=len(texts), config=self._config)

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        content = bytearray()
        async with self._client.stream("POST", self._address, json=body) as response:
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MAX_ANSWER:
                    raise Permanent(f"{self._address}: the answer is larger than {MAX_ANSWER:,} bytes")
        return response.status_code, response.headers, bytes(content)

    def _read(self, content: bytes) -> list[list[object]]:
        """The vectors in the order of the texts, which `index` says and the answer's order need not be."""
        try:
            entries = msgspec.json.decode(content)["data"]
            numbered = {int(entry["index"]): list(entry["embedding"]) for entry in entries}
            return [numbered[place] for place in range(len(entries))]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            told = f"{type(error).__name__}: {error}"
            raise Transient(f"{self._address}: the answer is no list of embeddings ({told})") from None

    def _failure(self, status: int, headers: Mapping[str, str], content: bytes) -> SourceError:
        told = f"{self._address}: answer {status}{_reason(content, self._api_key)}"
        wait = _retry_after(headers)
        if status == 429 or (status == 503 and wait is not None):
            return RateLimited(told, until=DEFAULT_WAIT if wait is None else wait)
        if status >= 500 or status in (408, 409, 425):
            return Transient(told)
        if status in _REFUSED:
            return BadRecord(told)
        if status in (401, 403):
            return Unauthorised(f"{told}; give a key that may embed, with --api-key env:NAME or file:/path")
        if 300 <= status < 400:
            told = f"{told}: it leads to {headers.get('location')}"
        return Permanent(f"{told}; is --url what comes before /embeddings, and is the model there?")


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long `Retry-After` says, in seconds or by a moment; None when it says nothing that can be read."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:9]), LONGEST_WAIT.total_seconds()))
    moment = _moment(value)
    if moment is None:
        return None
    # The server's clock by the server's clock; where it does not tell its time, ours must do.
    now = _moment(headers.get("date", "")) or datetime.now(UTC)
    return min(max(moment - now, timedelta()), LONGEST_WAIT)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _reason(content: bytes, api_key: str | None) -> str:
    """What an error says of itself, in one line; some endpoints repeat the key in it."""
    text = content[:4096].decode("utf-8", "replace")
    try:
        document = msgspec.json.decode(content)
        error = document.get("error", document)
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, AttributeError, RecursionError):
        pass
    if api_key:
        text = text.replace(api_key, "***")
    line = " ".join(text.split())[:300]
    return f" ({line})" if line else ""
