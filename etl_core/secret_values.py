"""The secrets that this process knows, so that no text which it tells holds one.

Whoever resolves a secret remembers it here; logs, error messages and crash reports pass through `mask`.
Nothing is ever forgotten: an old token is a secret, too.
"""

from __future__ import annotations

import json
import re
import threading
from urllib.parse import quote, quote_plus

from etl_core.redact import HIDDEN

SHORTEST = 4
"""Characters: a shorter value would blacken half of every text, and is none that protects anything."""

_lock = threading.Lock()
_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def remember_secret(value: str) -> None:
    """From now on `mask` hides it, as it is and as URLs, JSON and reprs write it; line by line, too."""
    global _pattern  # noqa: PLW0603 - one registry for a process, as one log is
    forms = set(_forms(value))
    with _lock:
        if forms <= _known:
            return
        _known.update(forms)
        # The longest first: of two secrets one may begin with the other.
        _pattern = re.compile("|".join(re.escape(form) for form in sorted(_known, key=len, reverse=True)))


def _forms(value: str) -> list[str]:
    whole = value.strip()
    parts = [whole, *whole.splitlines()] if "\n" in whole else [whole]
    forms = [
        form
        for part in parts
        for form in (
            part,
            quote(part, safe=""),
            quote(part),
            quote_plus(part),
            json.dumps(part)[1:-1],
            json.dumps(part, ensure_ascii=False)[1:-1],
            repr(part)[1:-1],
        )
    ]
    return [form for form in forms if len(form) >= SHORTEST]


def mask(text: str) -> str:
    """The text with every secret that this process knows replaced by `***`."""
    return _pattern.sub(HIDDEN, text) if _pattern is not None else text


def holds_secret(text: str) -> bool:
    """Whether a secret that this process knows stands in the text."""
    return _pattern is not None and _pattern.search(text) is not None
