"""What it means that there is no whole answer: no connection, none in time, or one that broke off."""

from __future__ import annotations

import ssl

import httpx

from etl_core.errors import Permanent, SourceError, Transient
from etl_core.secret_values import mask
from workers.http.errors import TimedOut, Unreached


def translate(told: str, error: Exception) -> SourceError:  # noqa: PLR0911 - a line per failure
    """A SourceError for what httpx or `asyncio.timeout` raised; `told` names method and URL.

    It must be raised outside of the `except`: httpx's error holds the request with its credential.
    """
    what = mask(one_line(error))
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return Unreached(f"{told}: no connection in time; is it up, and no firewall between?")
        case TimeoutError() | httpx.TimeoutException():
            return TimedOut(f"{told}: no whole answer in time; ask for less at once if this stays")
        case httpx.ProxyError():
            return Unreached(f"{told}: the proxy does not let us through ({what}); see HTTPS_PROXY")
        case httpx.ConnectError():
            return _unreached(told, error, what)
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return Permanent(f"{told}: {what}")
        case httpx.LocalProtocolError():
            return Permanent(f"{told}: a header or the address holds what cannot be sent")
    return Transient(f"{told}: the connection broke off ({what})")


def _unreached(told: str, error: Exception, what: str) -> SourceError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Permanent(
                f"{told}: nobody we trust vouches for its certificate ({mask(cause.verify_message)}); "
                "SSL_CERT_FILE names other authorities"
            )
        cause = cause.__cause__ or cause.__context__
    return Unreached(f"{told}: no connection ({what}); is it up, and the address right?")


def one_line(error: BaseException) -> str:
    """What an error says, or its kind."""
    return " ".join(str(error).split()) or type(error).__name__
