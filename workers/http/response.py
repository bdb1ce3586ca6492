"""An answer of a source, read to its end, and what its headers say of time."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import httpx
import msgspec

from etl_core.secret_values import mask
from workers.http.address import shown

LONGEST_WAIT = timedelta(days=1)
"""What a source says beyond that is taken for this."""
_TAG = re.compile(r"<(script|style).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_SAYS_WHY = ("message", "error_description", "detail", "title", "error", "errorMessages", "errors", "reason")


@dataclass(frozen=True)
class Response:
    """Status, headers and the whole body. Its repr shows neither address, headers nor body."""

    method: str
    address: httpx.URL | str = field(repr=False)
    """What was asked, with what is secret in it: messages show `url`."""
    status: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)

    @cached_property
    def url(self) -> str:
        """The address as messages show it: without secrets."""
        return shown(httpx.URL(self.address))

    @cached_property
    def json(self) -> Any:
        """The decoded body, None when it is empty; raises msgspec.DecodeError."""
        return self.decode(Any) if self.content.strip() else None

    def decode(self, into: Any) -> Any:
        """The body as a msgspec type; raises msgspec.DecodeError, msgspec.ValidationError."""
        try:
            return msgspec.json.decode(self.content, type=into)
        except UnicodeDecodeError as error:  # as msgspec says of a text in it
            raise msgspec.DecodeError(str(error)) from error

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def server_time(self) -> datetime | None:
        """The source's clock when it answered, by its `Date` header."""
        return parse_moment(self.headers.get("date", ""))

    def time_until(self, moment: datetime | float) -> timedelta | None:
        """From the answer to a moment (aware, or seconds of Unix time) that the source named, never negative.

        By the source's own clock; None where it does not tell its time: ours may be wrong by hours.
        """
        now = self.server_time
        if now is None:
            return None
        if not isinstance(moment, datetime):
            try:
                moment = datetime.fromtimestamp(moment, UTC)
            except (ValueError, OverflowError, OSError):
                return None
        return min(max(moment - now, timedelta()), LONGEST_WAIT)

    @property
    def retry_after(self) -> timedelta | None:
        """What `Retry-After` says, in seconds or by a date; None when it says nothing that can be read."""
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return min(timedelta(seconds=float(value[:12])), LONGEST_WAIT)
        moment = parse_moment(value)
        return None if moment is None else self.time_until(moment)

    @cached_property
    def excerpt(self) -> str:
        """What the body says of itself, on one line of at most 300 characters, secrets masked."""
        # Before anything is taken out of it: half a secret is not known again.
        text = _TAG.sub(" ", mask(self.content[:65_536].decode("utf-8", "replace"))[:16_384])
        with suppress(msgspec.DecodeError, RecursionError):
            text = mask(_reason(self.json)) or text
        return " ".join(text.split())[:300]


def _reason(document: Any) -> str:
    """The field in which APIs say what was wrong."""
    if isinstance(document, list) and document:
        return _reason(document[0])
    if not isinstance(document, dict):
        return str(document) if isinstance(document, str) else ""
    for name in _SAYS_WHY:
        value = document.get(name)
        if value:
            return value if isinstance(value, str) else _reason(value) or str(value)
    return ""


def parse_moment(text: str) -> datetime | None:
    """An HTTP date, aware; None when it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
