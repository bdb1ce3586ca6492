"""Keeps credentials out of what people and logs see of a service's URL."""

from __future__ import annotations

import re
from urllib.parse import unquote

_LOGIN = re.compile(r"^([a-z][a-z0-9+.-]*://)(.*)@", re.IGNORECASE | re.DOTALL)
_SECRET_PARAMETER = re.compile(r"([?&](?:[^=&]*(?:pass|secret|token|key)[^=&]*|cadata)=)[^&]*", re.IGNORECASE)
HIDDEN = "***"


def redact_url(url: str) -> str:
    """The URL with its password, and parameters that may be secret, replaced by `***`.

    The last `@` ends the login even where a password was not percent-encoded: rather too much is hidden.
    """
    login = _LOGIN.match(url)
    if login is not None:
        user, colon, _ = login[2].partition(":")
        url = f"{login[1]}{user}{colon and f':{HIDDEN}'}@{url[login.end() :]}"
    return _SECRET_PARAMETER.sub(rf"\1{HIDDEN}", url)


def redact_text(text: str, url: str) -> str:
    """A message of a driver or server with the password of `url` taken out, as written and as decoded."""
    login = _LOGIN.match(url)
    if login is None:
        return text
    _, _, password = login[2].partition(":")
    for secret in (password, unquote(password)):
        if secret:
            text = text.replace(secret, HIDDEN)
    return text
