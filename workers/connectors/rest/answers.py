"""An answer of the API as walks and pagers see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Answer:
    """A success. Its repr shows neither headers nor body."""

    told: str
    """Method and URL without secrets, for messages."""
    url: str = field(repr=False)
    """What was asked, without the credential: relative URLs are joined to it."""
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)
    served_at: datetime | None = None
    """By the API's own clock."""
    hidden: str | None = None
    """The query parameter that holds the credential, which must never be stored."""

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    def join(self, url: str) -> str:
        """A URL of the answer, absolute, without credential and fragment."""
        try:
            found = httpx.URL(self.url).join(url).copy_with(fragment=None)
            if self.hidden and self.hidden in found.params:
                found = found.copy_remove_param(self.hidden)
        except httpx.InvalidURL:
            return url
        return str(found)
