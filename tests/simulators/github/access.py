"""Who asks: personal tokens, classic and fine-grained, and installations of a GitHub App."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

import jwt
from aiohttp import web

from .limits import Limits

TOKEN = "ghp_simulated00000000000000000000000000"
APP_ID = 4711
INSTALLATION = 815


@dataclass(slots=True)
class Credential:
    """A token and what it may."""

    token: str
    scopes: tuple[str, ...] | None
    """Of a classic token; None: it has permissions instead, and no answer names them."""
    login: str = "ada"
    expires_at: float | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def sees_private(self) -> bool:
        return self.scopes is None or "repo" in self.scopes

    def is_valid(self) -> bool:
        return self.expires_at is None or time.time() < self.expires_at


WHO = web.RequestKey("who", Credential)
"""Who makes a request."""


class Access:
    """Every credential there is."""

    def __init__(self, *, app_key: str | None = None, token_lifetime: float = 3_600.0) -> None:
        """`app_key`: the public key of App 4711, PEM; `token_lifetime` of its tokens, seconds."""
        self.app_key = app_key
        self.token_lifetime = token_lifetime
        self.credentials: dict[str, Credential] = {}
        self.installation_limits = Limits()
        self.issued = 0
        self.add(TOKEN, ("repo", "read:org"))

    def add(self, token: str, scopes: Collection[str] | None, login: str = "ada") -> Credential:
        made = Credential(token, None if scopes is None else tuple(scopes), login)
        self.credentials[token] = made
        return made

    def find(self, authorization: str) -> Credential | None:
        """The credential of a header, if it is still good."""
        scheme, _, token = authorization.partition(" ")
        found = self.credentials.get(token.strip())
        return found if found and scheme.lower() in ("bearer", "token") and found.is_valid() else None

    def is_app(self, authorization: str) -> bool:
        """Whether the header is a JWT of the App, signed by its key and of now."""
        _, _, token = authorization.partition(" ")
        try:
            claims = jwt.decode(token, self.app_key or "", algorithms=["RS256"], leeway=5)
        except jwt.InvalidTokenError:
            return False
        lifetime = claims["exp"] - claims["iat"]
        return str(claims["iss"]) == str(APP_ID) and lifetime <= 660

    def issue(self) -> Credential:
        """A token of the installation, for an hour; all of them share one limit."""
        self.issued += 1
        made = Credential(
            f"ghs_simulated{self.issued:027d}",
            None,
            "etl-sync[bot]",
            time.time() + self.token_lifetime,
            self.installation_limits,
        )
        self.credentials[made.token] = made
        return made
