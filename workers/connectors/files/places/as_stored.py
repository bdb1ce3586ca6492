"""File systems that hand out objects as they lie in the store.

An object may carry `Content-Encoding: gzip` (uploaders that pack on the way leave it so). Libraries unpack
it in passing, which fails for every part but the first, and fits neither the size nor the offsets that the
store tells. So the stored bytes are asked for; that they are packed, the reader finds by itself.
"""

from __future__ import annotations

from functools import partial
from typing import Any

FIRST_WAIT_S = 1
"""Of Azure's library, which then waits longer, three times."""


class CredentialRefused(Exception):
    """Nobody is to try it again."""


class TokenUnavailable(Exception):
    """It may be had later."""


def _of_the_token(error: Exception) -> Exception:
    """gcsfs calls all that keeps it from a token a refusal, and asks six times, for half a minute."""
    cause = error.__cause__
    if cause is None or type(cause).__name__ != "RefreshError":
        return error
    if getattr(cause, "retryable", False):
        return TokenUnavailable(f"no token: {cause}")
    return CredentialRefused(f"no token: {cause}")


def google(made: Any) -> Any:
    """A subclass of gcsfs' `GCSFileSystem`.

    Whoever does not accept gzip gets the object unpacked and whole, whatever part was asked for
    (https://cloud.google.com/storage/docs/transcoding), so parts are asked for with it, and metadata without:
    give `session_kwargs={"auto_decompress": False}` too.
    """

    class GoogleAsStored(made):  # type: ignore[misc]  # the library is imported only where it is used
        def _get_headers(self, headers: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                sent = super()._get_headers(headers, *args, **kwargs)
            except Exception as error:
                raise _of_the_token(error) from error.__cause__
            sent["Accept-Encoding"] = "gzip" if "Range" in sent else "identity"
            return sent

    return GoogleAsStored


def azure(made: Any) -> Any:
    """A subclass of adlfs' `AzureBlobFileSystem`, which takes empty blobs that mark a folder for files."""

    class AzureAsStored(made):  # type: ignore[misc]  # as above
        def do_connect(self) -> None:
            """What is refused for a moment is asked for again soon; the library waits 15 s."""
            super().do_connect()
            self.service_client._config.retry_policy.initial_backoff = FIRST_WAIT_S

        async def _details(self, contents: Any, *args: Any, **kwargs: Any) -> Any:
            kept = [each for each in contents if not (each.has_key("size") and each.name.endswith("/"))]
            return await super()._details(kept, *args, **kwargs)

        async def _isfile(self, path: str) -> bool:
            """Asked of a folder before it is listed; where a blob has the folder's name that would be all."""
            return False

        def _open(self, *args: Any, **kwargs: Any) -> Any:
            opened = super()._open(*args, **kwargs)
            container = opened.container_client
            container.download_blob = partial(container.download_blob, decompress=False)
            return opened

    return AzureAsStored
