"""An HTTP client for connectors: retries where safe, obeys limits, tells no secret."""

from workers.http.auth import BasicAuth, BearerAuth, HeaderAuth, QueryAuth
from workers.http.errors import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    Gone,
    Missing,
    Refused,
    ServerFailed,
    TimedOut,
    Unprocessable,
    Unreached,
)
from workers.http.oauth import OAuth2
from workers.http.response import Response
from workers.http.source import USER_AGENT, HttpSource, Retries, Timeouts

__all__ = [
    "USER_AGENT",
    "BadRequest",
    "BasicAuth",
    "BearerAuth",
    "BodyTooLarge",
    "Forbidden",
    "Gone",
    "HeaderAuth",
    "HttpSource",
    "Missing",
    "OAuth2",
    "QueryAuth",
    "Refused",
    "Response",
    "Retries",
    "ServerFailed",
    "TimedOut",
    "Timeouts",
    "Unprocessable",
    "Unreached",
]
