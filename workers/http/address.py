"""URLs as messages show them, and which of them a credential is for."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote, unquote_plus

import httpx

from etl_core.errors import Permanent
from etl_core.redact import HIDDEN
from etl_core.rules.secrets import names_a_secret
from etl_core.secret_values import holds_secret, mask

_SECRET_PARTS = ("sig", "key", "token", "secret", "pass", "auth", "cred", "code", "session")
LONGEST_VALUE = 60
"""Characters of a query value that are shown: cursors are long."""

Origin = tuple[str, str, int | None]


def carries_secret(url: httpx.URL) -> bool:
    """Whether a secret that this process knows stands in it, as it is or encoded."""
    return any(holds_secret(as_read(str(url))) for as_read in (str, unquote, unquote_plus))


def shown(url: httpx.URL) -> str:
    """The URL without login and fragment; query values that may be secret, and all we know to be, hidden."""
    query = [(name, _value(name, value)) for name, value in url.params.multi_items()]
    place = str(url.copy_with(userinfo=b"", query=None, fragment=None))
    told = "&".join(f"{name}={value}" for name, value in query)
    left = [
        pair for pair, (_, value) in zip(url.params.multi_items(), query, strict=True) if HIDDEN not in value
    ]
    if left and carries_secret(url.copy_with(params=left)):  # torn at a & it is not known by its pieces
        told = HIDDEN
    return mask(f"{place}?{told}" if told else place)


def _value(name: str, value: str) -> str:
    lowered = name.lower()
    # A page's token is a place in a list; rather too much is hidden.
    if names_a_secret(name) or any(part in lowered for part in _SECRET_PARTS):
        return HIDDEN
    value = mask(value)
    return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}..."


def origin(url: httpx.URL) -> Origin:
    """Scheme, host and port: who a credential is for."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


class Place:
    """A base URL, and the other places that may be sent its credential."""

    def __init__(self, base_url: str, trusted: Collection[str] = ()) -> None:
        """Raises Permanent: no web address, or one that holds a login."""
        self.base = _checked(base_url)
        self._trusted = {origin(self.base), *(origin(_checked(url)) for url in trusted)}

    def resolve(self, url: str) -> httpx.URL:
        """What is below the base URL, or a whole address (a next page's) of a place that is trusted.

        Raises:
            Permanent: it cannot be read, or is of another place.
        """
        try:
            address = httpx.URL(url)
        except (httpx.InvalidURL, TypeError):
            raise Permanent(f"{self}: an address below it cannot be read") from None
        if address.is_relative_url:
            if address.host:
                raise Permanent(f"{self}: an address without a scheme is not followed")
            path = self.base.raw_path.split(b"?")[0].rstrip(b"/") + b"/" + address.raw_path.lstrip(b"/")
            return self.base.copy_with(raw_path=path)
        if address.scheme == "http" and self.base.scheme == "https" and address.host == self.base.host:
            # Behind a proxy that ends TLS an API may write its links so.
            address = address.copy_with(scheme="https", port=self.base.port)
        if origin(address) not in self._trusted:
            raise Permanent(f"{shown(address)}: is not on {self}, so it is not sent the credential")
        return address.copy_with(userinfo=b"")

    def __str__(self) -> str:
        return shown(self.base)


def _checked(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        raise Permanent("the base URL cannot be read") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise Permanent("the base URL is no web address; it begins with https://")
    if url.userinfo:
        raise Permanent(f"{shown(url)}: holds a login; give it as a secret of its own")
    return url
