"""Who may call: an API token, a personal token, or OAuth 2 whose refresh tokens are used once."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

EMAIL = "sync@example.com"
API_TOKEN = "simulated-api-token"
PERSONAL_TOKEN = "simulated-personal-token"
CLIENT_ID = "simulated-client"
CLIENT_SECRET = "simulated-client-secret"
FIRST_REFRESH_TOKEN = "simulated-refresh-0"
CLOUD_ID = "11223344-a1b2-4b33-c444-def123456789"

SCOPES = (
    "read:jira-work",
    "read:jira-user",
    "read:board-scope:jira-software",
    "read:sprint:jira-software",
    "offline_access",
)


@dataclass
class Access:
    """The credentials that are good now; tests take some away."""

    api_token: str | None = API_TOKEN
    personal_token: str | None = PERSONAL_TOKEN
    scopes: tuple[str, ...] = SCOPES
    lifetime_ms: int = 3_600_000
    refresh_tokens: list[str] = field(default_factory=lambda: [FIRST_REFRESH_TOKEN])
    """The last one is good, the others were used."""
    access_tokens: dict[str, int] = field(default_factory=dict)
    """Token -> until when, on the world's clock."""
    refreshes: int = 0

    def may(self, authorization: str, now_ms: int, *, is_cloud: bool) -> str | None:
        """How the caller came in: `basic`, `personal`, `oauth`; None: refused."""
        kind, _, given = authorization.partition(" ")
        if kind == "Basic" and is_cloud and self.api_token is not None:
            expected = base64.b64encode(f"{EMAIL}:{self.api_token}".encode()).decode()
            return "basic" if given == expected else None
        if kind != "Bearer":
            return None
        if not is_cloud:
            return "personal" if given == self.personal_token else None
        return "oauth" if self.access_tokens.get(given, 0) > now_ms else None

    def refresh(self, asked: dict[str, Any], now_ms: int) -> tuple[int, dict[str, Any]]:
        """Status and body of the token endpoint. The refresh token given is worth nothing afterwards."""
        if (asked.get("client_id"), asked.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "access_denied", "error_description": "Unauthorized"}
        if asked.get("grant_type") == "client_credentials":
            return 200, self._granted(now_ms)
        if asked.get("grant_type") != "refresh_token":
            return 403, {"error": "unsupported_grant_type", "error_description": "not here"}
        if asked.get("refresh_token") != self.refresh_tokens[-1]:
            return 403, {
                "error": "invalid_grant",
                "error_description": "Unknown or invalid refresh token.",
            }
        granted = self._granted(now_ms)
        self.refresh_tokens.append(f"simulated-refresh-{self.refreshes}")
        return 200, {**granted, "refresh_token": self.refresh_tokens[-1]}

    def _granted(self, now_ms: int) -> dict[str, Any]:
        self.refreshes += 1
        token = f"simulated-access-{self.refreshes}"
        self.access_tokens[token] = now_ms + self.lifetime_ms
        return {
            "access_token": token,
            "expires_in": self.lifetime_ms // 1_000,
            "token_type": "Bearer",
            "scope": " ".join(self.scopes),
        }

    def expire(self) -> None:
        """Every access token is over, sooner than it said."""
        self.access_tokens.clear()
