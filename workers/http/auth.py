"""Credentials as httpx sends them. Each is remembered as a secret, and shows none in its repr."""

from __future__ import annotations

import base64
from collections.abc import Generator

import httpx

from etl_core.errors import Unauthorised
from etl_core.secret_values import remember_secret


class HeaderAuth(httpx.Auth):
    """A secret in a header: `HeaderAuth("X-Api-Key", key)`."""

    def __init__(self, name: str, value: str, *, prefix: str = "") -> None:
        """Raises Unauthorised for a value that no header can hold."""
        self._name = name
        self._value = prefix + sendable(value, name)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._name] = self._value
        yield request

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"


class BearerAuth(HeaderAuth):
    """`Authorization: Bearer <token>`."""

    def __init__(self, token: str, *, scheme: str = "Bearer") -> None:
        super().__init__("Authorization", token, prefix=f"{scheme} ")


class BasicAuth(HeaderAuth):
    """`Authorization: Basic <user:password>`."""

    def __init__(self, user: str, password: str) -> None:
        remember_secret(password)
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        super().__init__("Authorization", pair, prefix="Basic ")


class QueryAuth(httpx.Auth):
    """A secret in the query: `QueryAuth("api_key", key)`."""

    def __init__(self, name: str, value: str) -> None:
        remember_secret(value)
        self._name = name
        self._value = value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.url = request.url.copy_set_param(self._name, self._value)
        yield request

    def __repr__(self) -> str:
        return f"QueryAuth({self._name!r})"


def sendable(value: str, named: str) -> str:
    """The value, remembered as a secret.

    Raises:
        Unauthorised: no header can hold it; the error of whoever would send it repeats it.
    """
    remember_secret(value)
    if not value or not value.isascii() or not value.isprintable():
        raise Unauthorised(f"the secret for {named} is empty or holds characters that cannot be sent")
    return value
