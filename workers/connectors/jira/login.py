"""The credential of a Jira account, as httpx sends it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import httpx

from etl_core.errors import Permanent, Unauthorised
from workers.connectors.jira.config import ApiToken, OAuth, PersonalToken
from workers.http import BasicAuth, BearerAuth, OAuth2


async def log_in(auth: ApiToken | OAuth | PersonalToken) -> httpx.Auth:
    """Nothing is sent yet.

    Raises:
        Unauthorised: a secret cannot be read, or no header can hold it.
    """
    if isinstance(auth, ApiToken):
        return BasicAuth(auth.email, auth.api_token.get_secret_value())
    if isinstance(auth, PersonalToken):
        return BearerAuth(auth.token.get_secret_value())
    kept = None if auth.refresh_token_file is None else Path(auth.refresh_token_file)
    refresh_token = None if kept is None else await asyncio.to_thread(_read, kept)

    async def keep(rotated: str) -> None:
        assert kept is not None  # noqa: S101 - only a refresh token is rotated
        await asyncio.to_thread(_write, kept, rotated)

    return OAuth2(
        auth.token_url,
        client_id=auth.client_id,
        client_secret=auth.client_secret.get_secret_value(),
        refresh_token=refresh_token,
        on_refresh_token=keep,
    )


def counted_by(auth: ApiToken | OAuth | PersonalToken) -> str:
    """What the site counts calls by: the credential itself, of which only a hash is kept."""
    if isinstance(auth, ApiToken):
        return f"{auth.email}:{auth.api_token.get_secret_value()}"
    if isinstance(auth, PersonalToken):
        return auth.token.get_secret_value()
    return f"{auth.client_id}:{auth.client_secret.get_secret_value()}"


def _read(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unauthorised(
            f"refresh_token_file {path}: cannot be read ({type(error).__name__}); put the refresh token there"
        ) from None
    if not token:
        raise Unauthorised(f"refresh_token_file {path} is empty; put the refresh token there")
    return token


def _write(path: Path, token: str) -> None:
    """In one step, so that nobody ever finds half a token; readable for its owner alone."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{token}\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Permanent(
            f"refresh_token_file {path}: the rotated token cannot be written there ({error.strerror}); the "
            "old one is used up: let workers write there, then log in anew and put the new token into it"
        ) from None
