"""The secrets that this process knows, so that no text which it tells holds one.

Whoever resolves a secret remembers it here; logs, error messages and crash reports pass through `mask`.
An old token is a secret, too: what is forgotten is what was not used for longest, once there are MOST.
"""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

from etl_core.redact import HIDDEN

SHORTEST = 4
"""Characters: a shorter value would blacken half of every text, and is none that protects anything."""
MOST = 4_096
"""Values: access tokens are renewed for as long as a worker lives, and each is looked for in every text."""

_lock = threading.Lock()
_known: dict[str, tuple[str, ...]] = {}
"""Value -> its forms; the one that was not used for longest is the first."""
_forms_by_length: tuple[str, ...] = ()
"""The longest first: of two secrets one may begin with the other. Replaced as a whole, never changed."""
_escaped: tuple[re.Pattern[str], ...] = ()
"""Of the few that hold a quote or a backslash: however often they were escaped, as in a repr of a repr."""
_NEEDS_ESCAPE = frozenset("\"'\\")


def remember_secret(value: str) -> None:
    """From now on `mask` hides it: as it is, as URLs, JSON, HTML, reprs and Base64 have it, line by line."""
    global _forms_by_length, _escaped  # noqa: PLW0603 - one registry for a process, as one log is
    with _lock:
        forms = _known.pop(value, None)
        if forms is not None:
            _known[value] = forms
            return
        _known[value] = tuple(_forms(value))
        if len(_known) > MOST:
            del _known[next(iter(_known))]
        every = {form for forms in _known.values() for form in forms}
        _forms_by_length = tuple(sorted(every, key=len, reverse=True))
        _escaped = tuple(
            _any_escape(form) for form in _forms_by_length if _NEEDS_ESCAPE & set(form) and form in _known
        )


def _forms(value: str) -> set[str]:
    import html  # its table of entities is of no use to who knows no secret

    whole = value.strip()
    forms = set()
    for part in [whole, *whole.splitlines()]:
        forms |= {
            part,
            quote(part, safe="", errors="surrogatepass"),
            quote(part, errors="surrogatepass"),
            quote_plus(part, errors="surrogatepass"),
            json.dumps(part)[1:-1],
            json.dumps(part, ensure_ascii=False)[1:-1],
            repr(part)[1:-1],
            html.escape(part),
            html.escape(part, quote=False),
        }
    # A token sent as a user's name or as a password has its pair remembered by whoever makes it.
    raw = whole.encode("utf-8", "surrogatepass")
    forms |= {b64encode(raw).decode().rstrip("="), urlsafe_b64encode(raw).decode().rstrip("=")}
    return {form for form in forms if len(form) >= SHORTEST}


def _any_escape(text: str) -> re.Pattern[str]:
    parts = (
        r"\\+" if c == "\\" else r"\\*" + re.escape(c) if c in _NEEDS_ESCAPE else re.escape(c) for c in text
    )
    return re.compile("".join(parts))


def mask(text: str) -> str:
    """The text with every secret that this process knows replaced by `***`."""
    for pattern in _escaped:
        text = pattern.sub(HIDDEN, text)
    for form in _forms_by_length:
        if form in text:
            text = text.replace(form, HIDDEN)
    return text


def holds_secret(text: str, *, shortest: int = SHORTEST) -> bool:
    """Whether a secret that this process knows, of so many characters or more, stands in the text."""
    return any(len(form) >= shortest and form in text for form in _forms_by_length) or any(
        found.search(text) for found in _escaped
    )
